"""What the fault tests share: the harness on the import path, and a system of one's own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.running import faulty_system
from harness.workload import Say

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.chaos.controlled import ControlledBacking
from touchstone_devkit.processes.running import ProcessDidNotStart
from touchstone_devkit.system.runner import System


@pytest.fixture(scope="session")
def own_system(backing: Backing, say: Say) -> Iterator[System]:
    """A system that only the fault tests use: its processes are about to die."""
    if not backing.management_uri:
        pytest.skip("without the management API this broker gives no virtual host of its own")
    with faulty_system(backing, say) as system:
        yield system


@pytest.fixture(scope="session")
def hurtable_system(say: Say) -> Iterator[System]:
    """A system on servers of its own that can be hurt, too: one broker node, three members of the database."""
    try:
        backing = ControlledBacking(mongo_members=3, announce=say)
    except (Unavailable, ProcessDidNotStart, TimeoutError) as reason:
        pytest.skip(f"native servers cannot be had here: {reason}")
    with backing, faulty_system(backing, say) as system:
        yield system
