"""A replay under way, a discarded event and an edited one are none that may be published again as they were."""

import datetime
from typing import Any

import pytest

from touchstone_chassis.deadletters.status import REPLAY_TAKES, DeadLetterStatus, status_of

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)


def a_letter(state: str, *actions: str, id: str = "d-1", ago: datetime.timedelta = MINUTE, **more: Any) -> Any:
    told = [{"at": NOW - ago, "action": action} for action in ("parked", *actions)]
    return {"_id": id, "state": state, "replays": 1, "parked_at": NOW - ago, "actions": told, **more}


@pytest.mark.parametrize(
    ("letter", "waiting", "expected"),
    [
        (a_letter("parked"), (), DeadLetterStatus("parked")),
        (a_letter("parked", "edited"), (), DeadLetterStatus("parked", edited=True)),
        (a_letter("discarded", "discarded", ago=9 * REPLAY_TAKES), (), DeadLetterStatus("discarded")),
        (a_letter("replayed", "replayed", ago=9 * REPLAY_TAKES), ("d-1",), DeadLetterStatus("replaying")),
        (a_letter("replayed", "replayed"), (), DeadLetterStatus("replaying")),
        (a_letter("replayed", "edited", "replayed"), (), DeadLetterStatus("replaying", edited=True)),
        (a_letter("replayed", "replayed", ago=2 * REPLAY_TAKES), (), DeadLetterStatus("missing")),
        (
            a_letter("replayed", "edited", "replayed", ago=2 * REPLAY_TAKES),
            (),
            DeadLetterStatus("missing", edited=True),
        ),
        (
            a_letter("replayed", "replayed", ago=2 * REPLAY_TAKES, replay_due=NOW - MINUTE),
            (),
            DeadLetterStatus("replaying"),
        ),
    ],
    ids=[
        "parked",
        "edited",
        "discarded",
        "in the outbox",
        "just out",
        "edited and out",
        "lost",
        "edited, lost",
        "rate",
    ],
)
def test_what_became_of_an_event_that_was_given_up(
    letter: Any, waiting: tuple[str, ...], expected: DeadLetterStatus
) -> None:
    assert status_of([letter], waiting, NOW) == expected


def test_of_several_dead_letters_the_one_that_a_person_has_to_deal_with_counts_then_the_last_word() -> None:
    parked, discarded = a_letter("parked", id="d-1"), a_letter("discarded", "discarded", id="d-2")
    lost = a_letter("replayed", "replayed", id="d-3", ago=2 * REPLAY_TAKES)

    assert status_of([discarded, parked], (), NOW).state == "parked"
    assert status_of([discarded, lost], (), NOW).state == "discarded"
    assert status_of([discarded, lost], ("d-3",), NOW).state == "replaying"
