"""The loop that its callers turn, by poll and by select."""

import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from touchstone.rpc.io_loop import Turns
from touchstone_devkit.eventually import patience


@pytest.fixture(params=["select", "poll"])
def turns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    native = pytest.importorskip("eventlet").patcher.original("select")  # the test process is green
    if request.param == "poll":
        monkeypatch.setattr(select, "poll", native.poll, raising=False)
    made = Turns()
    assert (made._poller is not None) == (request.param == "poll")
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def turn(turns: Turns, within_s: float = 5) -> None:
    ready = turns.wait(time.monotonic() + within_s)
    with turns.mutex:
        turns.work(ready)


def test_a_handler_is_called_for_what_it_wants_only(turns: Turns, pair: tuple[socket.socket, socket.socket]):
    here, there = pair
    seen: list[int] = []
    turns.add_handler(here.fileno(), lambda _fd, events: seen.append(events), turns.READ)
    there.send(b"x")

    turn(turns)
    turns.update_handler(here.fileno(), turns.WRITE | turns.ERROR)
    turn(turns)
    turns.remove_handler(here.fileno())
    turn(turns, within_s=0)

    assert seen == [turns.READ, turns.WRITE]


def test_the_end_of_a_peer_is_something_to_read(turns: Turns, pair: tuple[socket.socket, socket.socket]):
    here, there = pair
    seen: list[int] = []
    turns.add_handler(here.fileno(), lambda _fd, events: seen.append(events), turns.READ)
    there.close()

    turn(turns)

    assert seen == [turns.READ]


def test_what_is_to_be_written_is_written_at_once(turns: Turns, pair: tuple[socket.socket, socket.socket]):
    here, _ = pair
    seen: list[int] = []
    turns.add_handler(here.fileno(), lambda _fd, events: seen.append(events), turns.READ | turns.WRITE)

    turns.write()

    assert seen == [turns.WRITE]


def test_timers_come_in_their_order_and_not_when_they_were_taken_back(turns: Turns):
    seen: list[str] = []
    turns.call_later(0.02, lambda: seen.append("second"))
    turns.call_later(0.01, lambda: seen.append("first"))
    turns.remove_timeout(turns.call_later(0.0, lambda: seen.append("never")))

    begun = time.monotonic()
    while len(seen) < 2 and time.monotonic() < begun + 5:
        turn(turns)

    assert seen == ["first", "second"]


def test_a_wait_ends_when_its_time_is_up(turns: Turns):
    begun = time.monotonic()

    assert turns.wait(begun + 0.05) == []

    assert 0.04 < time.monotonic() - begun < 2 * patience()


@pytest.mark.parametrize("what", ["callback", "timer", "wake"])
def test_a_wait_ends_when_there_is_something_new_to_do(what: str):
    turns = Turns()  # by select, as a native poll would stop the other green thread, too
    begun, seen = time.monotonic(), list[int]()
    comes = {
        "callback": lambda: turns.add_callback(lambda: seen.append(1)),
        "timer": lambda: turns.call_later(0, lambda: seen.append(1)),
        "wake": lambda: seen.append(1) or turns.wake(),
    }
    threading.Timer(0.05, comes[what]).start()

    while not seen and time.monotonic() < begun + 4:
        turn(turns)

    assert time.monotonic() - begun < 3 * patience()
    assert seen == [1]
    turns.close()


def test_a_callback_that_was_there_before_is_not_waited_for(turns: Turns):
    seen: list[int] = []
    turns.add_callback(lambda: seen.append(1))

    turn(turns)

    assert seen == [1]
