"""What the tests of the whole system share: the fault harness on the import path, and a system that may be hurt."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.system.runner import System

sys.path.insert(0, str(Path(__file__).parent / "faults"))


@pytest.fixture(scope="session")
def own_system(backing: Backing, say: Callable[[str], None]) -> Iterator[System]:
    """A system that only the tests of faults and upgrades use: its processes are about to die."""
    from harness.running import faulty_system

    if not backing.management_uri:
        pytest.skip("without the management API this broker gives no virtual host of its own")
    with faulty_system(backing, say) as system:
        yield system
