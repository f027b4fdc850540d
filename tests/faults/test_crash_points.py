"""A short selection of the crash point cases; `make faults` runs them all."""

import secrets

import pytest
from harness import cases
from harness.results import Result, Results
from harness.running import run_case, summary
from harness.workload import Say

from touchstone_devkit.runner import System

SELECTION = [
    "membership/rpc_ack/kill",
    "assessment/after_commit/kill",
    "certification/outbox/kill",
    "certification/before_ack/base",
    "certification/inbox/raise",
    "notification/relay_confirm/term",
    "notification/notice_mark/raise",
]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SELECTION)
def test_a_service_that_fails_there_loses_nothing_and_doubles_nothing(name: str, own_system: System, say: Say) -> None:
    seed = secrets.randbelow(1_000_000)

    result = run_case(own_system, cases.named(name), seed, say=say)

    say(f"seed {seed}: {summary(result)}")
    assert result.faults == []
    assert result.reached


def test_a_seed_gives_the_same_schedule_again() -> None:
    first, again, other = cases.schedule(1), cases.schedule(1), cases.schedule(2)

    assert first == again
    assert first != other
    assert set(first) == set(other) == set(cases.ALL)
    assert [case.time(1) for case in first] == [case.time(1) for case in again]


def test_cases_are_chosen_by_patterns() -> None:
    chosen = {case.name for case in cases.schedule(1, "notification/notice_*/kill, membership/rpc_ack/stop")}

    assert chosen == {
        "notification/notice_record/kill",
        "notification/notice_send/kill",
        "notification/notice_mark/kill",
        "membership/rpc_ack/stop",
    }


def test_results_are_kept_case_by_case(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("results") / "results.json"
    first = Result("a/b/kill", 1, "c0ffee", "now", time=2, reached=True, audits=24)
    second = Result("a/b/term", 1, "c0ffee", "now", time=1, reached=False, audits=24, faults=["lost: one"])

    for result in (first, second):
        Results(path).add(result)

    kept = Results(path)
    assert kept.all == [first, second]
    assert kept.of("a/b/kill", 1) == first and kept.of("a/b/kill", 2) is None
    assert [result.good for result in kept.all] == [True, False]
