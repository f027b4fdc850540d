"""Says what became of events that were dead-lettered: parked, discarded, on their way again, or lost after a replay."""

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from touchstone_chassis.deadletters.letter import DISCARDED, PARKED, REPLAYED
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import DEAD_LETTERS, OUTBOX

MISSING, REPLAYING = "missing", "replaying"
REPLAY_TAKES = datetime.timedelta(minutes=20)
"""For so long after it went out a replay may lie in its queue or wait for a retry: longer than all retries together."""

_FACTS = {"event_id": 1, "message_id": 1, "state": 1, "replays": 1, "replay_due": 1, "parked_at": 1} | {
    f"actions.{name}": 1 for name in ("at", "action")
}


@dataclasses.dataclass(frozen=True)
class DeadLetterStatus:
    """`state` is missing, parked, replaying or discarded; `edited`: an operator gave a dead letter of it a new body."""

    state: str = MISSING
    edited: bool = False


def statuses_of(unit: UnitOfWork, ids: Collection[str], now: datetime.datetime) -> dict[str, DeadLetterStatus]:
    """By id, what became of those of these events that were dead-lettered here and not handled since."""
    if not ids:
        return {}
    letters = unit.find(DEAD_LETTERS, about(ids), projection=_FACTS)
    waiting = waiting_replays(unit, letters)
    by_event: dict[str, list[dict[str, Any]]] = {}
    for letter in letters:
        by_event.setdefault(letter["event_id"] or letter["message_id"], []).append(letter)
    return {id: status_of(of_event, waiting, now) for id, of_event in by_event.items()}


def about(ids: Iterable[str]) -> dict[str, Any]:
    """A filter for the dead letters of these events."""
    # A body that cannot be read gives no id; the message still has the event's as its own.
    return {"$or": [{"event_id": {"$in": sorted(ids)}}, {"message_id": {"$in": sorted(ids)}}]}


def waiting_replays(unit: UnitOfWork, letters: Iterable[Mapping[str, Any]]) -> set[str]:
    """Those dead letters (ids) whose last replay is in the outbox: it waits for its turn or for the broker."""
    rows = {replay_row(letter): letter["_id"] for letter in letters if letter["state"] == REPLAYED}
    if not rows:
        return set()
    return {rows[row["_id"]] for row in unit.find(OUTBOX, {"_id": {"$in": sorted(rows)}}, projection={"_id": 1})}


def replay_row(letter: Mapping[str, Any]) -> str:
    """The id of the outbox row of a dead letter's last replay. The row leaves with the broker's confirm."""
    return f"{letter['_id']}/{letter['replays']}"


def status_of(
    letters: Iterable[Mapping[str, Any]], waiting: Collection[str], now: datetime.datetime
) -> DeadLetterStatus:
    """Of an event with these dead letters, of which those in `waiting` have a replay in the outbox.

    Several there are where several queues gave it up, or several bodies came with its id. What a person still has to
    deal with comes first, then what is on its way; else the last word counts.
    """
    ordered = sorted(letters, key=lambda letter: _last(letter))
    edited = any(entry["action"] == "edited" for letter in ordered for entry in letter["actions"])
    if any(letter["state"] == PARKED for letter in ordered):
        return DeadLetterStatus(PARKED, edited)
    if any(letter["_id"] in waiting or _is_replayed_lately(letter, now) for letter in ordered):
        return DeadLetterStatus(REPLAYING, edited)
    return DeadLetterStatus(DISCARDED if ordered[-1]["state"] == DISCARDED else MISSING, edited)


def _is_replayed_lately(letter: Mapping[str, Any], now: datetime.datetime) -> bool:
    """Counted from when its turn came: with a rate that may be long after it was ordered."""
    went_out: datetime.datetime = max(_last(letter), letter.get("replay_due") or _last(letter))
    return letter["state"] == REPLAYED and now - went_out < REPLAY_TAKES


def _last(letter: Mapping[str, Any]) -> datetime.datetime:
    moment: datetime.datetime = letter["actions"][-1]["at"] if letter["actions"] else letter["parked_at"]
    return moment
