"""The harness itself: what it records, measures, schedules and keeps."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from harness import catalogue
from harness.history import FAIL, OK, UNKNOWN, CallFailed, History
from harness.outcome import recovery_s, stall_s
from harness.results import Result, Results

from touchstone.rpc.client import NoAnswer
from touchstone_contracts.errors import Forbidden, InternalError, NotFound
from touchstone_devkit.demo.register import Register


def register_that(*answers: Any) -> Register:
    """Gives one after the other, or raises what is an exception."""
    left = list(answers)

    def call(*_: Any, **__: Any) -> Any:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return cast(Register, SimpleNamespace(call=call))


def test_a_call_without_an_answer_is_asked_again_and_remembered_as_unknown() -> None:
    history = History()
    register = register_that(NoAnswer("too late", "key"), InternalError("broke"), {"done": True})

    answer = history.until_answered(register, None, "service.method", "key", give_up_s=10)

    assert answer == {"done": True}
    assert [call.outcome for call in history.calls] == [UNKNOWN, UNKNOWN, OK]
    assert all(call.ended_at is not None and call.ended_at >= call.invoked_at for call in history.calls)
    assert history.acknowledged("service.method") == ["key"]


def test_a_refusal_ends_it() -> None:
    history = History()

    with pytest.raises(CallFailed, match="key: Forbidden"):
        history.until_answered(register_that(Forbidden("no")), None, "service.method", "key", give_up_s=10)

    assert history.counts() == {FAIL: 1}


def test_a_run_that_is_broken_off_asks_for_no_answer_again() -> None:
    history = History()
    register = register_that(NoAnswer("too late", "key"), {"done": True})
    history.end()

    with pytest.raises(CallFailed, match="key: NoAnswer"):
        history.until_answered(register, None, "service.method", "key", give_up_s=10)


def test_a_message_that_was_not_confirmed_is_remembered_as_unknown() -> None:
    history = History()

    with pytest.raises(ConnectionError), history.sending("queue", "id"):
        raise ConnectionError
    with history.sending("queue", "id"):
        pass

    assert [(call.method, call.key, call.outcome) for call in history.calls] == [
        ("queue", "id", UNKNOWN),
        ("queue", "id", OK),
    ]


def test_what_has_not_come_through_is_waited_for() -> None:
    history = History()
    register = register_that(NotFound("not yet"), "there")

    assert history.until_answered(register, None, "s.m", "key", give_up_s=10, not_yet="not_found") == "there"


def test_the_stall_is_the_longest_time_without_a_notice_from_the_first_call_until_all_is_quiet() -> None:
    sent, other = {"type": "notification.notice_sent.v1"}, {"type": "membership.entity_registered.v1"}
    arrivals = [(1.0, sent), (1.5, sent), (3.0, other), (4.5, sent), (5.0, sent)]

    assert stall_s(arrivals, 0.5, 5.5) == 3.0
    assert stall_s(arrivals, -6.0, 5.5) == 7.0
    assert stall_s(arrivals, 0.5, 13.0) == 8.0
    assert stall_s([], 1.0, 3.0) == 2.0


def test_recovery_ends_with_the_first_event_that_the_service_made_after_the_fault() -> None:
    made_before = {"type": "membership.a.v1", "time": "1970-01-01T00:00:09+00:00"}
    of_another = {"type": "assessment.a.v1", "time": "1970-01-01T00:00:12+00:00"}
    made_after = {"type": "membership.a.v1", "time": "1970-01-01T00:00:13+00:00"}
    arrivals = [(10.5, made_before), (12.5, of_another), (13.5, made_after)]

    assert recovery_s(arrivals, "membership", 10.0) == 3.5
    assert recovery_s(arrivals, "membership", None) is None
    assert recovery_s(arrivals, "notification", 10.0) is None


def test_a_seed_gives_the_same_schedule_again() -> None:
    first, again, other = (catalogue.schedule(seed, "*") for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert set(first) == set(other) == set(catalogue.ALL)
    assert len(first) == len(catalogue.ALL)


def test_cases_are_chosen_by_patterns() -> None:
    chosen = {
        case.name for case in catalogue.schedule(1, "notification/notice_*/kill, crash/membership/rpc_ack/stop, soak")
    }

    assert chosen == {
        "soak",
        "notification/notice_record/kill",
        "notification/notice_send/kill",
        "notification/notice_mark/kill",
        "membership/rpc_ack/stop",
    }


def test_results_are_kept_case_by_case(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    first = Result("a/b/kill", 1, "c0ffee", "now", time=2, reached=True, audits=24)
    second = Result("a/b/term", 1, "c0ffee", "now", time=1, reached=False, audits=24, faults=["lost: one"])

    for result in (first, second):
        Results(path).add(result)

    kept = Results(path)
    assert kept.all == [first, second]
    assert kept.of("a/b/kill", 1) == first and kept.of("a/b/kill", 2) is None
    assert [result.good for result in kept.all] == [True, False]
