"""A running system for the end-to-end tests: one of ours, or the one that the environment names."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, a_world

EXTERNAL = os.environ.get("TOUCHSTONE_SYSTEM") == "external"


@pytest.fixture(scope="session")
def scheme(request: pytest.FixtureRequest) -> Iterator[Scheme]:
    """The system under test; with TOUCHSTONE_SYSTEM=external the one that the environment names (see Scheme)."""
    environment = os.environ if EXTERNAL else request.getfixturevalue("system").environment
    with Scheme(environment) as scheme:
        yield scheme


@pytest.fixture(scope="session")
def log_folder(request: pytest.FixtureRequest) -> Path | None:
    """Where the processes log; None for a system that somebody else started."""
    return None if EXTERNAL else request.getfixturevalue("system").log_folder


@pytest.fixture
def new_world() -> Callable[[str], World]:
    """Makes a world out of an example case's title, with ids that no other test uses."""
    return lambda title: a_world(title, secrets.token_hex(3))
