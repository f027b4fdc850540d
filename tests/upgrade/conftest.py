"""What the upgrade tests share: their modules and those of the fault tests to import, and a line of progress."""

import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "faults")]

from harness.workload import Say


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Prints a line of progress past pytest's capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    begun = time.monotonic()

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"{time.monotonic() - begun:6.1f} s  {line}", file=sys.stderr, flush=True)

    return say
