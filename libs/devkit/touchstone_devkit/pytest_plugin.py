"""Fixtures that tests of all packages share: real servers, names of one's own on them, the whole system, progress."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from eventlet import hubs

from touchstone_devkit.backing.broker import create_vhost, delete_vhost
from touchstone_devkit.backing.choosing import Backing, NoBacking, start_backing

if TYPE_CHECKING:
    from touchstone_devkit.system.runner import System


@pytest.fixture(scope="session")
def backing(say: Callable[[str], None]) -> Iterator[Backing]:
    """RabbitMQ and MongoDB: `.amqp_uri`, `.mongo_uri`, `.management_uri` (or None), `.kind`.

    Of a test process's own: under pytest-xdist each worker starts its own, unless the environment names servers.
    """
    try:
        started = start_backing(announce=say)
    except NoBacking as error:
        pytest.exit(str(error), returncode=3)
    with started:
        yield started


@pytest.fixture
def database_prefix(backing: Backing) -> Iterator[str]:
    """A random prefix for names of databases; every database `<prefix>_*` is dropped after the test."""
    from touchstone_devkit.backing.replica_set import drop_databases  # pymongo, and not before eventlet has patched

    prefix = f"t{secrets.token_hex(4)}"
    yield prefix
    drop_databases(backing.mongo_uri, prefix)


@pytest.fixture
def amqp_uri(backing: Backing) -> Iterator[str]:
    """The address of a vhost of the test's own, deleted after it; the shared one where the broker gives none."""
    vhost = f"t{secrets.token_hex(4)}"
    own = backing.management_uri and create_vhost(backing.management_uri, backing.amqp_uri, vhost)
    yield own or backing.amqp_uri
    if own and backing.management_uri:
        delete_vhost(backing.management_uri, vhost)


@pytest.fixture(scope="session")
def system(backing: Backing) -> Iterator["System"]:
    """The whole system, provisioned and ready, with a movable clock; one for the session."""
    from touchstone_devkit.system.runner import System

    with System(backing=backing, sandbox=True) as started:
        yield started


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints a line of progress past pytest's capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    begun = time.monotonic()

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"{time.monotonic() - begun:6.1f} s  {line}", file=sys.stderr, flush=True)

    return say


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Wakes green threads that wait for a descriptor which the test closed in another.

    Its number is soon used again, and whichever later test got it would fail with "Second simultaneous read".
    """
    waiting = {descriptor for listeners in hubs.get_hub().listeners.values() for descriptor in listeners}
    for descriptor in waiting:
        try:
            os.fstat(descriptor)
        except OSError:
            hubs.notify_opened(descriptor)  # what eventlet offers to wake them
