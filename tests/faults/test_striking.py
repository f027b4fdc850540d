"""When a fault counts as struck, and that work is left when it is over: without servers."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from harness import crashing, infrastructure, moments, soak, striking
from harness.blow import Blow
from harness.cases import Case
from harness.history import Call
from harness.striking import BUSY_QUEUE, Target
from harness.workload import Workload


def a_target(**system: Any) -> Target:
    system.setdefault("amqp_uri", "amqp://nobody")
    return Target(cast(Any, SimpleNamespace(**system)), SimpleNamespace(), random.Random(7), pause=lambda _s: None)


@pytest.mark.parametrize(("held", "struck"), [(3, True), (0, False)])
def test_a_queue_that_was_empty_as_it_was_deleted_did_not_strike(
    held: int, struck: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, ...]] = []
    channel = SimpleNamespace(
        queue_declare=lambda _queue, passive: SimpleNamespace(method=SimpleNamespace(message_count=1)),
        queue_delete=lambda queue: SimpleNamespace(
            method=SimpleNamespace(message_count=held if queue == BUSY_QUEUE else 99)
        ),
    )
    connection = SimpleNamespace(channel=lambda: channel)
    monkeypatch.setattr(striking, "open_connection", lambda *_, **__: contextlib.nullcontext(connection))
    blow = Blow()

    def run(*command: str) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=0)

    striking.queue_deleted(a_target(run=run), blow)

    assert (blow.struck_at is not None, blow.recovers_from is not None) == (struck, struck)
    assert commands == [("touchstone", "provision")]


def test_an_acceptance_is_forged_in_each_way_as_soon_as_there_is_one_to_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = {"type": "assessment.audit_accepted.v1"}
    target, blow = a_target(), Blow()
    target.heard = [{"type": "membership.entity_registered.v1"}, accepted]
    monkeypatch.setattr(striking.forging, "forge", lambda _uri, copied, reason: (copied, reason))

    striking.forged(target, blow)

    assert target.forgeries == [(accepted, "unsigned"), (accepted, "forged")]
    assert blow.struck_at is not None and blow.recovers_from == blow.struck_at


def test_where_no_audit_is_accepted_nothing_is_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    target, blow = a_target(), Blow()
    monkeypatch.setattr(striking, "READY_S", 0.0)

    with pytest.raises(TimeoutError, match="no audit was accepted"):
        striking.forged(target, blow)

    assert blow.struck_at is None and target.forgeries == []


def a_workload(audits: int) -> Any:
    return SimpleNamespace(
        audits=audits, accepted={}, history=SimpleNamespace(calls=[Call("m", "k", 1.0, ended_at=2.0)])
    )


@pytest.mark.parametrize("name", ["mail/down-60s/load", "mail/down-60s/backlog", "mail/down-60s/deploy"])
def test_the_last_audits_begin_only_when_the_fault_is_over(name: str) -> None:
    case = infrastructure.named(name)
    play = moments.Play(case, a_target(), a_workload(60), cast(Any, None))
    fault: Future[None] = Future()
    play._beside_it, play._begun = [fault], -1e9  # the pace has let everything go long ago

    during = [play._may_start(index) for index in range(60)]
    fault.set_result(None)

    assert during == [True] * 56 + [False] * 4
    assert all(play._may_start(index) for index in range(60))


def test_of_a_backlog_some_audits_are_no_part() -> None:
    waited: list[int] = []
    asked: list[bool] = []
    process = SimpleNamespace(name="it", hold=lambda: None, release=lambda: None, is_ready=lambda: True)
    target = a_target(processes={"notification": process})
    workload = a_workload(200)

    def run_without(_service: str, count: int) -> Callable[[Callable[[int], bool]], None]:
        waited.append(count)
        return lambda may_start: asked.extend(may_start(index) for index in (0, count - 1))

    workload.run_without = run_without
    play = moments.Play(infrastructure.named("mail/kill/backlog"), target, workload, cast(Any, None))
    play._strike = lambda: play.blow.strike()  # type: ignore[method-assign]

    outcome = play.run()

    assert waited == [176] and asked == [True, True]
    assert outcome.reached


class _Working:
    """A workload in which every audit is accepted as soon as it may begin."""

    audits = 4

    def __init__(self) -> None:
        self.accepted: dict[int, str] = {}
        self.history = SimpleNamespace(calls=[Call("m", "k", 1.0, ended_at=2.0)])

    def run(self, may_start: Callable[[int], bool]) -> None:
        ended = threading.Event()
        for index in range(self.audits):
            while not may_start(index):
                ended.wait(0.01)
            self.accepted[index] = "issued"


@pytest.fixture
def soaking(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plays a soak of two crash points; each is reached if that says so, and a kill strikes if that says so."""

    def soaking(*, reached: bool, kill_strikes: bool) -> Any:
        @contextlib.contextmanager
        def armed(_target: Target, _case: Case, _time: int) -> Iterator[Any]:
            yield SimpleNamespace(at=5.0 if reached else None, wait_until_over=lambda _s: reached)

        def kill(_target: Target, blow: Blow) -> None:
            if kill_strikes:
                blow.strike()
                blow.recover(blow.struck_at)

        killed = infrastructure.Fault("consumer/membership-killed", kill, shows_recovery="membership.")
        monkeypatch.setattr(infrastructure, "FAULTS", (killed,))
        monkeypatch.setattr(crashing, "armed", armed)
        monkeypatch.setattr(soak, "AUDITS_EACH", 2)
        monkeypatch.setattr(soak, "schedule", lambda *_: [Case("membership", "domain", "raise")] * 2)
        return soak.Play(a_target(folder=Path()), cast(Workload, _Working())).run()

    return soaking


def test_a_crash_point_that_is_not_reached_in_a_soak_gives_way_to_a_kill(soaking: Any) -> None:
    by_plan, instead = soaking(reached=True, kill_strikes=True), soaking(reached=False, kill_strikes=True)

    assert by_plan.reached and [s.name for s in by_plan.strikes] == ["membership/domain/raise"] * 2
    assert instead.reached and [s.name for s in instead.strikes] == ["consumer/membership-killed"] * 2


def test_a_soak_is_reached_only_if_every_fault_struck(soaking: Any) -> None:
    outcome = soaking(reached=False, kill_strikes=False)

    assert not outcome.reached and len(outcome.strikes) == 2
    assert outcome.recoveries_s([]) == []
