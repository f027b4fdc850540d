"""What the fault tests share: a system on servers of its own."""

from collections.abc import Iterator

import pytest
from harness.running import faulty_system
from harness.workload import Say

from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.chaos.controlled import ControlledBacking
from touchstone_devkit.processes.running import ProcessDidNotStart
from touchstone_devkit.system.runner import System


@pytest.fixture(scope="session")
def hurtable_system(say: Say) -> Iterator[System]:
    """A system on servers of its own that can be hurt, too: one broker node, three members of the database."""
    try:
        backing = ControlledBacking(mongo_members=3, announce=say)
    except (Unavailable, ProcessDidNotStart, TimeoutError) as reason:
        pytest.skip(f"native servers cannot be had here: {reason}")
    with backing, faulty_system(backing, say) as system:
        yield system
