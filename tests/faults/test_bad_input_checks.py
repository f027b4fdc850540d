"""The checks of the bad input tests see a service that hangs, drops, retries for ever, dies, swells, leaks or talks."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from corpus.entrances import EVENT, RPC, Entrance, entrances
from corpus.rows import FINE, answered, parked
from corpus.samples import CANARY
from corpus.verdicts import NOISE, WITHIN_S, Scene, disturbances, problem, problem_of_generated
from corpus.walking import Outcome, Walker
from corpus.wire import Message, Reply

CALL = next(entrance for entrance in entrances() if entrance.kind == RPC)
HEARD = next(entrance for entrance in entrances() if entrance.kind == EVENT)
REFUSED = {"result": None, "error": {"code": "malformed_request", "message": "No.", "errors": []}}


@dataclasses.dataclass
class ToyService:
    """Stands for wire and watcher at once: what it does with a message is what the test gives it."""

    reply: Any = None
    handled_as: str | None = None
    parked_for: str | None = None
    refused: str | None = None
    reply_to = "here"
    sent = False

    def send(self, _message: Message) -> str | None:
        self.sent = self.refused is None
        return self.refused

    def reply_to_call(self, _correlation_id: str | None, *, within_s: float) -> Reply | None:
        return Reply(json.dumps(self.reply).encode(), 0.0) if self.reply is not None else None

    def handled(self, _entrance: Entrance) -> Counter[str]:
        return Counter({self.handled_as: 1}) if self.sent and self.handled_as else Counter()

    def parked(self, _entrance: Entrance, _since: Any) -> list[str]:
        return [self.parked_for] if self.sent and self.parked_for else []


def outcome_of(toy: ToyService, entrance: Entrance) -> Outcome:
    message = Message("", entrance.queue, b"{", {"reply_to": "here", "correlation_id": "c"})
    return Walker(toy, toy).outcome(entrance, message, wait_s=0.05)  # type: ignore[arg-type]


VIOLATIONS: dict[str, tuple[ToyService, Entrance]] = {
    "a call that is never answered": (ToyService(), CALL),
    "a call that fails inside": (ToyService(reply={"error": {"code": "internal_error"}}), CALL),
    "a call that is answered with a result": (ToyService(reply={"result": 1, "error": None}), CALL),
    "a call that is answered with something else": (ToyService(reply=["no"]), CALL),
    "an event that is dropped": (ToyService(), HEARD),
    "an event that is tried again and again": (ToyService(handled_as="retried"), HEARD),
    "an event that is abandoned": (ToyService(handled_as="abandoned"), HEARD),
    "an event that is taken for good": (ToyService(handled_as="handled"), HEARD),
    "an event that is parked for the wrong reason": (ToyService(parked_for="retries_exhausted"), HEARD),
    "a message that the broker does not take": (ToyService(refused="too large"), HEARD),
}


@pytest.mark.parametrize("case", VIOLATIONS)
def test_a_toy_that_does_wrong_is_seen(case: str) -> None:
    outcome = outcome_of(*VIOLATIONS[case])

    assert problem(case, outcome, [answered("malformed_request"), parked("undecodable")]) is not None


@pytest.mark.parametrize("toy", [ToyService(reply=REFUSED), ToyService(parked_for="undecodable")], ids=repr)
def test_a_toy_that_does_right_passes(toy: ToyService) -> None:
    outcome = outcome_of(toy, CALL if toy.reply else HEARD)

    assert problem("right", outcome, [answered("malformed_request"), parked("undecodable")]) is None


def test_an_answer_that_comes_too_late_is_seen() -> None:
    late = Outcome(FINE, WITHIN_S * NOISE + 0.1)

    assert problem("late", late, [FINE]) is not None
    assert problem_of_generated("late", late) is not None


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(answered("internal_error"), 0.1),
        Outcome(answered("invalid_request"), 0.1, {"error": {"code": "invalid_request", "message": "", "errors": []}}),
        Outcome("it is retried", 0.1),
        Outcome("nothing within 30 s", 30.0),
    ],
    ids=lambda outcome: outcome.what,
)
def test_what_was_made_up_and_went_wrong_is_seen(outcome: Outcome) -> None:
    assert problem_of_generated("made up", outcome) is not None


def a_scene(**changes: Any) -> Scene:
    usual = {"lives": {"toy": (7, 0)}, "memory_mb": {"toy": 90}, "contents": {"toy.things": 3}}
    return Scene(**(usual | changes))


def nothing(_text: str) -> list[str]:
    return []


DISTURBED: dict[str, tuple[Scene, Callable[[str], list[str]]]] = {
    "another process": (a_scene(lives={"toy": (8, 1)}), nothing),
    "a bomb unpacked": (a_scene(memory_mb={"toy": 400}), nothing),
    "a document written": (a_scene(contents={"toy.things": 4}), nothing),
    "a document gone": (a_scene(contents={}), nothing),
    "a document in a new collection": (a_scene(contents={"toy.things": 3, "toy.outbox": 1}), nothing),
    "a payload in the log": (a_scene(), lambda text: [f"refused {text}"] if text == CANARY else []),
}


@pytest.mark.parametrize("case", DISTURBED)
def test_what_happens_besides_is_seen(case: str) -> None:
    after, logged = DISTURBED[case]

    assert len(disturbances(a_scene(), after, logged)) == 1


def test_nothing_besides_is_no_finding() -> None:
    assert disturbances(a_scene(), a_scene(memory_mb={"toy": 100}), nothing) == []
