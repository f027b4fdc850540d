"""Turns a case's events into the lines of its timeline: what happened, how far it came, and where it does not go on."""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from touchstone.cases.causes import Event, Node, tree
from touchstone.cases.event_words import age, words_for
from touchstone.cases.history import CaseTrail, moment

KEPT = datetime.timedelta(days=60)
"""For so long outboxes and inboxes remember."""
UNDER_WAY = datetime.timedelta(seconds=10)
_DONE = {"parked": "given up", "replayed": "replayed", "edited": "edited", "discarded": "discarded"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One line. `after_s` counts from what led to it; `depth` is how many causes stand above it in the tree.

    `kind`: `event`, `cause` (of which nobody has the event), `processed`, `parked` (and what was done with it),
    `record` (known from the record alone), or `gap` (yet to happen). `published_after_s` counts from the event.
    """

    kind: str
    depth: int
    service: str
    text: str
    at: datetime.datetime | None = None
    after_s: float | None = None
    published_after_s: float | None = None
    event_id: str | None = None


def steps(trail: CaseTrail, now: datetime.datetime) -> list[Step]:
    """The timeline of a case, each cause above what came of it."""
    found: list[Step] = []
    before: datetime.datetime | None = None
    for root in tree(trail.events.values()):
        found += _of(root, trail, now, depth=0, before=before)
        if root.event and not root.event.foreign:
            before = root.at  # what a person did next counts from what was there to see
    return found


def _of(
    node: Node, trail: CaseTrail, now: datetime.datetime, *, depth: int, before: datetime.datetime | None
) -> Iterator[Step]:
    event = node.event
    if event is None:
        yield Step(kind="cause", depth=depth, service="", text=_cause_in_words(node.id))
    else:
        step = _step("event", depth, event.service, _in_words(event, node.loops), event, event.at, before)
        published_at = event.published_at
        after_s = (published_at - event.at).total_seconds() if published_at else None
        yield dataclasses.replace(step, published_after_s=after_s)
        if not event.foreign:
            yield from _way(event, trail, now, depth + 1)
    for child in node.children:
        yield from _of(child, trail, now, depth=depth + 1, before=event.at if event else None)


def _in_words(event: Event, loops: bool) -> str:
    text = words_for(event.type, event.facts)
    if event.foreign and event.facts.get("audit_id"):
        text += f" (of another case, {event.facts['audit_id']})"
    return f"{text}{_ran(event)}{' (it is said to be its own cause)' if loops else ''}"


def _ran(event: Event) -> str:
    """What ran: a command and by whom, the handler of the message above, or a deadline."""
    if not event.trigger:
        return ""
    kind, is_deadline, _ = event.trigger.partition("/")
    by = f" by {event.by}" if event.by else ""
    return f" [{'deadline ' if is_deadline else ''}{kind.replace('_', ' ')}{by}]"


def _cause_in_words(id: str) -> str:
    kind, _, key = id.partition("/")
    if key:
        return f"a deadline: {kind.replace('_', ' ')} of {key.rstrip('/')}"
    return f"a message {id}, of which no service has an event (a command by message, or older than {KEPT.days} days)"


def _way(event: Event, trail: CaseTrail, now: datetime.datetime, depth: int) -> Iterator[Step]:
    """Processed by each consumer, given up, replayed: in order; and what is missing of that."""
    found = [*_processed(event, trail, depth), *_parked(event, trail, depth)]
    yield from sorted(found, key=lambda step: step.at or event.at)
    yield from _missing(event, trail, now, depth)


def _processed(event: Event, trail: CaseTrail, depth: int) -> Iterator[Step]:
    for row in trail.processed.get(event.id, ()):
        retries = f", after {row['retries']} retries" if row["retries"] else ""
        text = f"processed: {row['handler'].replace('_', ' ')}{retries}"
        yield _step("processed", depth, row["service"], text, event, moment(row["at"]))


def _parked(event: Event, trail: CaseTrail, depth: int) -> Iterator[Step]:
    for letter in trail.parked.get(event.id, ()):
        for done in letter["actions"]:
            yield _step("parked", depth, letter["service"], _action(letter, done), event, moment(done["at"]))


def _action(letter: Mapping[str, Any], done: Mapping[str, Any]) -> str:
    text = _DONE.get(done["action"], done["action"])
    if done["action"] == "parked":
        return f"{text} ({done['why']}): dead letter {letter['id']}"
    return f"{text} by {done['who']}: {done['why']}"


def _missing(event: Event, trail: CaseTrail, now: datetime.datetime, depth: int) -> Iterator[Step]:
    for text, service in _gaps(event, trail, now):
        yield Step(kind="gap", depth=depth, service=service, text=text, event_id=event.id)


def _gaps(event: Event, trail: CaseTrail, now: datetime.datetime) -> Iterator[tuple[str, str]]:
    if event.published_at is None:
        why = f" (try {event.attempts + 1}; the broker said: {event.last_outcome})" if event.attempts else ""
        yield f"not yet published, for {age((now - event.at).total_seconds())}{why}", event.service
        return
    done = {row["service"] for row in trail.processed.get(event.id, ())}
    waiting_s = (now - event.published_at).total_seconds()
    for service in trail.consumers.get(event.type, ()):
        states = {letter["state"] for letter in trail.parked.get(event.id, ()) if letter["service"] == service}
        if "parked" in states and service in done:
            yield "took effect all the same: its dead letter can be discarded", service
        elif "parked" in states:
            yield "waits for a person: touchstone dead-letters show", service
        elif service in done:
            continue
        elif "discarded" in states and "replayed" not in states:
            yield "never processed: discarded", service
        else:
            yield f"not yet processed by {service}, for {age(waiting_s)}", service


def _step(
    kind: str,
    depth: int,
    service: str,
    text: str,
    event: Event,
    at: datetime.datetime,
    before: datetime.datetime | None = None,
) -> Step:
    """A line of an event: counted from `before`, or from the event itself for what became of it."""
    since = before if kind == "event" else event.at
    after_s = (at - since).total_seconds() if since else None
    return Step(kind=kind, depth=depth, service=service, text=text, at=at, after_s=after_s, event_id=event.id)
