"""The loop that its callers turn, by poll and by select."""

import importlib.util
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from touchstone.rpc import io_loop
from touchstone.rpc.io_loop import IoLoop
from touchstone_devkit.eventually import patience


def native_selectors(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as it is where nobody patches: the test process is green, which takes poll away."""
    native = pytest.importorskip("eventlet").patcher.original("select")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "select", native)
        spec = importlib.util.find_spec("selectors")
        assert spec and spec.loader
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
    return made


@pytest.fixture(params=["SelectSelector", "PollSelector"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[IoLoop]:
    if request.param == "PollSelector":
        monkeypatch.setattr(io_loop, "selectors", native_selectors(monkeypatch))
    made = IoLoop()
    assert type(made._selector).__name__ == request.param
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def turn(loop: IoLoop, within_s: float = 5) -> None:
    ready = loop.wait(time.monotonic() + within_s)
    with loop.mutex:
        loop.work(ready)


def test_a_handler_is_called_for_what_it_wants_only(loop: IoLoop, pair: tuple[socket.socket, socket.socket]):
    here, there = pair
    seen: list[int] = []
    loop.add_handler(here.fileno(), lambda _fd, events: seen.append(events), loop.READ)
    there.send(b"x")

    turn(loop)
    loop.update_handler(here.fileno(), loop.WRITE | loop.ERROR)
    turn(loop)
    loop.remove_handler(here.fileno())
    turn(loop, within_s=0)

    assert seen == [loop.READ, loop.WRITE]


def test_the_end_of_a_peer_is_something_to_read(loop: IoLoop, pair: tuple[socket.socket, socket.socket]):
    here, there = pair
    seen: list[int] = []
    loop.add_handler(here.fileno(), lambda _fd, events: seen.append(events), loop.READ)
    there.close()

    turn(loop)

    assert seen == [loop.READ]


def test_what_is_to_be_written_is_written_at_once(loop: IoLoop, pair: tuple[socket.socket, socket.socket]):
    here, _ = pair
    seen: list[int] = []
    loop.add_handler(here.fileno(), lambda _fd, events: seen.append(events), loop.READ | loop.WRITE)

    loop.write()

    assert seen == [loop.WRITE]


def test_timers_come_in_their_order_and_not_when_they_were_taken_back(loop: IoLoop):
    seen: list[str] = []
    loop.call_later(0.02, lambda: seen.append("second"))
    loop.call_later(0.01, lambda: seen.append("first"))
    loop.remove_timeout(loop.call_later(0.0, lambda: seen.append("never")))

    begun = time.monotonic()
    while len(seen) < 2 and time.monotonic() < begun + 5:
        turn(loop)

    assert seen == ["first", "second"]


def test_a_wait_ends_when_its_time_is_up(loop: IoLoop):
    begun = time.monotonic()

    assert loop.wait(begun + 0.05) == []

    assert 0.04 < time.monotonic() - begun < 2 * patience()


@pytest.mark.parametrize("what", ["callback", "timer", "wake"])
def test_a_wait_ends_when_there_is_something_new_to_do(what: str):
    loop = IoLoop()  # by select, as a native poll would stop the other green thread, too
    begun, seen = time.monotonic(), list[int]()
    comes = {
        "callback": lambda: loop.add_callback(lambda: seen.append(1)),
        "timer": lambda: loop.call_later(0, lambda: seen.append(1)),
        "wake": lambda: seen.append(1) or loop.wake(),
    }
    threading.Timer(0.05, comes[what]).start()

    while not seen and time.monotonic() < begun + 4:
        turn(loop)

    assert time.monotonic() - begun < 3 * patience()
    assert seen == [1]
    loop.close()


def test_a_callback_that_was_there_before_is_not_waited_for(loop: IoLoop):
    seen: list[int] = []
    loop.add_callback(lambda: seen.append(1))

    turn(loop)

    assert seen == [1]
