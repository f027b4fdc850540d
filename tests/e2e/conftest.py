"""A running system for the end-to-end tests: one of ours, or the one that the environment names."""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, a_world


@pytest.fixture(scope="session")
def scheme(request: pytest.FixtureRequest) -> Iterator[Scheme]:
    """The system under test; with TOUCHSTONE_SYSTEM=external the one that the environment names (see Scheme)."""
    external = os.environ.get("TOUCHSTONE_SYSTEM") == "external"
    environment = os.environ if external else request.getfixturevalue("system").environment
    with Scheme(environment) as scheme:
        yield scheme


@pytest.fixture
def new_world() -> Callable[[str], World]:
    """Makes a world out of an example case's title, with ids that no other test uses."""
    return lambda title: a_world(title, secrets.token_hex(3))
