"""Live, ready and metrics, without a database or a port."""

import json
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import eventlet
import eventlet.event
import pytest
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError
from werkzeug.test import Client

from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.health.checks import Checks
from touchstone_chassis.health.database import WRITTEN_EVERY_S, TransactionLifetime, WritableDatabase
from touchstone_chassis.health.server import Health
from touchstone_devkit.eventually import patience


class Container:
    service_name = "certification"


class Admin:
    def __init__(self, answer: Any):
        self._answer = answer
        self.admin = self
        self.asked = 0

    def command(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"transactionLifetimeLimitSeconds": self._answer}


def well() -> tuple[bool, str]:
    return True, "fine"


def ill() -> tuple[bool, str]:
    return False, "not fine"


def broken() -> tuple[bool, str]:
    raise KeyError("secret")


def a_health(started: bool = True, **checks: Any) -> Client:
    health = Health()
    health.container = Container()
    for name, check in checks.items():
        health.checks.add(name, check)
    if started:
        health.start()
    return Client(health.application)


@pytest.fixture(autouse=True)
def no_checks_left_over() -> None:
    Health.checks = Checks()


def test_live_answers_before_the_service_has_started() -> None:
    assert a_health(started=False, database=ill).get("/live").status_code == 200


def test_ready_waits_for_the_start() -> None:
    answer = a_health(started=False, database=well).get("/ready")

    assert answer.status_code == 503
    assert answer.json["checks"] == [{"name": "started", "ok": False, "detail": "starting"}]


def test_ready_when_every_check_passes() -> None:
    answer = a_health(database=well, consumers=well).get("/ready")

    assert answer.status_code == 200
    assert answer.json == {
        "ready": True,
        "service": "certification",
        "checks": [
            {"name": "consumers", "ok": True, "detail": "fine"},
            {"name": "database", "ok": True, "detail": "fine"},
        ],
    }


def test_one_failed_check_is_enough_not_to_be_ready() -> None:
    answer = a_health(database=well, consumers=ill).get("/ready")

    assert answer.status_code == 503
    assert answer.json["ready"] is False


def test_a_check_that_raises_has_failed_and_tells_no_secret() -> None:
    answer = a_health(database=broken).get("/ready")

    assert answer.json["checks"] == [{"name": "database", "ok": False, "detail": "the check failed: KeyError"}]


def test_readiness_never_blocks_and_never_piles_up_checks_that_hang() -> None:
    started, go_on = [], eventlet.event.Event()

    def hanging() -> tuple[bool, str]:
        started.append(time.monotonic())
        return go_on.wait()

    checks = Checks()
    checks.add("hanging", hanging)
    checks.add("well", well)

    began = time.monotonic()
    reports = [checks.run(timeout_s=0.05) for _ in range(3)]
    took_s = time.monotonic() - began
    go_on.send((True, "came back"))

    assert reports[0] == [
        {"name": "hanging", "ok": False, "detail": "no answer in time"},
        {"name": "well", "ok": True, "detail": "fine"},
    ]
    assert len(started) == 1
    assert took_s < patience()
    assert checks.run()[0]["detail"] == "came back"


def test_metrics_are_in_the_text_format() -> None:
    answer = a_health().get("/metrics")

    assert answer.content_type.startswith("text/plain; version=0.0.4")
    assert "touchstone_outbox_pending" in answer.text


@pytest.mark.parametrize("path", ["/", "/live/", "/ready/x", "/%2e%2e/etc/passwd"])
def test_nothing_else_is_served(path: str) -> None:
    assert a_health().get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_only_reading_is_allowed(method: str) -> None:
    answer = a_health().open("/live", method=method)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_head_answers_without_a_body() -> None:
    assert a_health().head("/live").data == b""


def test_a_database_that_was_written_to_is_not_written_to_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    writes, elapsed_s = [], [100.0]
    check = WritableDatabase(lambda: None, monotonic=lambda: elapsed_s[0])  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(check, "_write", lambda: (writes.append(elapsed_s[0]) or True, "ok"))

    check()
    elapsed_s[0] += WRITTEN_EVERY_S - 0.1
    check()
    elapsed_s[0] += 0.1
    check()

    assert writes == [100.0, 100.0 + WRITTEN_EVERY_S]


def test_whoever_may_not_go_by_an_old_answer_has_it_written_to_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(True, "ok"), (False, "away")]
    check = WritableDatabase(lambda: None, known_for_s=0)  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(check, "_write", lambda: answers.pop(0))

    assert [check()[0], check()[0]] == [True, False]


def test_what_the_driver_remembers_of_the_servers_is_forgotten_when_they_stay_away(monkeypatch: Any) -> None:
    forgotten, elapsed_s, is_there = [], [1000.0], [True]
    database = SimpleNamespace(client="client")
    check = WritableDatabase(lambda: database, monotonic=lambda: elapsed_s[0], known_for_s=0)  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(check, "_write", lambda: (is_there[0], ""))
    monkeypatch.setattr("touchstone_chassis.health.database.forget_servers", forgotten.append)

    def asked_every_second(seconds: int) -> int:
        for _ in range(seconds):
            elapsed_s[0] += 1
            check()
        return len(forgotten)

    assert asked_every_second(60) == 0
    is_there[0] = False
    assert [asked_every_second(5), asked_every_second(1), asked_every_second(5)] == [0, 1, 2]
    is_there[0] = True
    assert asked_every_second(60) == 2


def test_the_core_asks_the_database_itself_whether_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(WritableDatabase, "_write", lambda _self: (bool(written.append(1)) or True, "ok"))
    resources = Resources()
    resources.container = SimpleNamespace(started=True)
    vars(resources.mongo)["database"] = MagicMock()

    resources.circuit_breaker.answers()
    resources.circuit_breaker.answers()

    assert len(written) == 2


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (5, "5 s"),
        (60, "WARNING: transactionLifetimeLimitSeconds is 60, longer than 5"),
        (OperationFailure("not authorized", 13), "unknown: not allowed to ask"),
        (ServerSelectionTimeoutError("away"), "unknown: ServerSelectionTimeoutError"),
    ],
)
def test_a_long_transaction_lifetime_is_a_warning_and_no_reason_to_fail(answer: Any, detail: str) -> None:
    admin = Admin(answer)
    check = TransactionLifetime(lambda: admin)  # type: ignore[arg-type, return-value]

    ok, found = check()
    check()

    assert ok
    assert found.startswith(detail)
    assert json.dumps(found)
    assert admin.asked == 1
