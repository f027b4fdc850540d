"""Comparing queues takes as long as the broker takes, and readiness does not wait for it."""

import time
from typing import Any

import eventlet
import pytest
from eventlet.event import Event

from touchstone_chassis.amqp import connections
from touchstone_chassis.health import queue_arguments
from touchstone_chassis.health.checks import CHECK_TIMEOUT_S, Checks
from touchstone_chassis.health.queue_arguments import COMPARED_EVERY_S, QueueArguments

WELL = (True, "1 queues are as they should be")


class Broker:
    """What the connections of the check lead to: a broker that can be frozen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frozen, self.avoided, self.connections, self.wrong = False, 0, 0, ""
        self._thawed = Event()
        monkeypatch.setattr(connections, "connect", self._connect)
        monkeypatch.setattr(connections, "avoid", self._avoid)
        monkeypatch.setattr(connections, "close_quietly", lambda _connection: None)
        monkeypatch.setattr(queue_arguments, "compared", self._compared)

    def thaw(self) -> None:
        self.frozen = False
        self._thawed.send()

    def close(self) -> None: ...

    def _connect(self, *_args: Any, **_kwargs: Any) -> "Broker":
        self.connections += 1
        return self

    def _avoid(self, _connection: Any) -> bool:
        self.avoided += 1
        return True

    def _compared(self, _connection: Any, queue: str, _wanted: Any) -> str | None:
        if self.frozen:
            self._thawed.wait()
        return self.wrong or None


@pytest.fixture
def the_broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    return Broker(monkeypatch)


@pytest.fixture
def elapsed_s() -> list[float]:
    return [100.0]


@pytest.fixture
def check(elapsed_s: list[float]) -> QueueArguments:
    return QueueArguments(lambda: "amqp://", lambda: {"q": {}}, monotonic=lambda: elapsed_s[0])


def test_while_a_node_is_frozen_the_last_result_stands_in_time(the_broker, check, elapsed_s):
    checks = Checks()
    checks.add("queue_arguments", check)
    checks.run()
    the_broker.frozen = True
    elapsed_s[0] += COMPARED_EVERY_S
    began = time.monotonic()

    first, second = checks.run(), checks.run()

    took_s = time.monotonic() - began
    connections = the_broker.connections
    the_broker.thaw()
    assert first == second == [{"name": "queue_arguments", "ok": WELL[0], "detail": WELL[1]}]
    assert took_s < 2 * CHECK_TIMEOUT_S and connections == 2


def test_what_was_found_in_the_meantime_is_told_the_next_time(the_broker, check, elapsed_s):
    check()
    the_broker.frozen, the_broker.wrong = True, "q is not as it should be"
    elapsed_s[0] += COMPARED_EVERY_S

    in_between = check()
    the_broker.thaw()
    eventlet.sleep(0)
    afterwards = check()

    assert in_between == WELL and afterwards == (False, "q is not as it should be")


def test_a_node_that_does_not_answer_while_queues_are_declared_is_avoided(the_broker, check, monkeypatch):
    monkeypatch.setattr(queue_arguments, "ANSWER_S_MAX", 0.01)
    the_broker.frozen = True

    ok, detail = check()

    assert ok and detail == "not compared: no answer from the broker (TimeoutError)"
    assert the_broker.avoided == 1


def test_a_comparison_that_breaks_has_failed_and_is_tried_again(the_broker, check, elapsed_s):
    the_broker.wrong = 7  # type: ignore[assignment]

    broken = check()
    the_broker.wrong = ""
    elapsed_s[0] += queue_arguments.COMPARED_AGAIN_S

    assert broken == (False, "the comparison failed: TypeError")
    assert check() == WELL
