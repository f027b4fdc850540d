"""The service that the README shows is one."""

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[2] / "README.md"


def test_the_service_of_the_readme_says_what_it_needs_of_broker_and_database() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    shown: dict[str, Any] = {}

    exec(code, shown)

    topology = shown["ThingService"].topology
    assert (topology.service, [event.type_name for event in topology.consumes]) == (
        "thing",
        ["membership.membership_activated.v1"],
    )
    assert topology.indexes == shown["Things"].INDEXES
