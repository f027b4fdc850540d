"""Every target that the Makefile shows is run each time: a folder of the same name would keep make from it."""

import re
from pathlib import Path

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()


def test_every_target_that_is_shown_is_phony():
    shown = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())

    assert {"test", "bench", "demo"} <= shown <= phony
