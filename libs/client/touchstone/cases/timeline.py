"""Turns what is known of a case into the lines of its timeline: what happened, how far it came, where it stops."""

import collections
import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from touchstone.cases.history import CaseHistory, Event, Node, age, moment, tree
from touchstone.events.words import words_for
from touchstone_contracts.events.assessment import (
    AuditAccepted,
    AuditReportReturned,
    AuditReportSubmitted,
    CorrectiveActionPlanReviewed,
)
from touchstone_contracts.events.certification import CertificateIssued, CertificationRefused
from touchstone_contracts.events.notification import NoticeSent

KEPT = datetime.timedelta(days=60)
"""For so long outboxes and inboxes remember."""
UNDER_WAY = datetime.timedelta(seconds=10)
_DONE = {"parked": "dead-lettered", "replayed": "replayed", "edited": "edited", "discarded": "discarded"}


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


def steps(history: CaseHistory, now: datetime.datetime) -> list[Step]:
    """The timeline of a case, each cause above what came of it."""
    found: list[Step] = []
    before: datetime.datetime | None = None
    for root in tree(history.events.values()):
        found += _of(root, history, now, depth=0, before=before)
        if root.event and not root.event.foreign:
            before = root.at  # what a person did next counts from what was there to see
    return found


def _of(
    node: Node, history: CaseHistory, now: datetime.datetime, *, depth: int, before: datetime.datetime | None
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
            yield from _way(event, history, now, depth + 1)
    for child in node.children:
        yield from _of(child, history, now, depth=depth + 1, before=event.at if event else None)


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


def _way(event: Event, history: CaseHistory, now: datetime.datetime, depth: int) -> Iterator[Step]:
    """Processed by each consumer, given up, replayed: in order; and what is missing of that."""
    found = [*_processed(event, history, depth), *_parked(event, history, depth)]
    yield from sorted(found, key=lambda step: step.at or event.at)
    for text, service in _gaps(event, history, now):
        yield Step(kind="gap", depth=depth, service=service, text=text, event_id=event.id)


def _processed(event: Event, history: CaseHistory, depth: int) -> Iterator[Step]:
    for row in history.processed.get(event.id, ()):
        retries = f", after {row['retries']} retries" if row["retries"] else ""
        text = f"processed: {row['handler'].replace('_', ' ')}{retries}"
        yield _step("processed", depth, row["service"], text, event, moment(row["at"]))


def _parked(event: Event, history: CaseHistory, depth: int) -> Iterator[Step]:
    for letter in history.parked.get(event.id, ()):
        for done in letter["actions"]:
            yield _step("parked", depth, letter["service"], _action(letter, done), event, moment(done["at"]))


def _action(letter: Mapping[str, Any], done: Mapping[str, Any]) -> str:
    text = _DONE.get(done["action"], done["action"])
    if done["action"] == "parked":
        return f"{text} ({done['why']}): dead letter {letter['id']}"
    return f"{text} by {done['who']}: {done['why']}"


def _gaps(event: Event, history: CaseHistory, now: datetime.datetime) -> Iterator[tuple[str, str]]:
    if event.published_at is None:
        why = f" (try {event.attempts + 1}; the broker said: {event.last_outcome})" if event.attempts else ""
        yield f"not yet published, for {age((now - event.at).total_seconds())}{why}", event.service
        return
    done = {row["service"] for row in history.processed.get(event.id, ())}
    waiting_s = (now - event.published_at).total_seconds()
    for service in history.consumers.get(event.type, ()):
        states = {letter["state"] for letter in history.parked.get(event.id, ()) if letter["service"] == service}
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


Record = tuple[Any, datetime.datetime, Mapping[str, Any]]
"""The class of an event, when it happened, and its facts, as a record has them."""


def from_records(found: Mapping[str, Any], history: CaseHistory) -> list[Step]:
    """Steps that the records of a case file know, and of which no event is there any more: outboxes forget."""
    kept = collections.Counter(event.type.rpartition(".v")[0] for event in history.events.values() if not event.foreign)
    lost = []
    for event_class, at, facts in reversed(sorted(_recorded(found), key=lambda record: record[1])):
        name = f"{event_class.producer}.{event_class.local_name}"
        kept[name] -= 1
        if kept[name] < 0:  # the oldest of a kind are forgotten first
            text = f"{words_for(event_class.type_name, facts)} (from the record: its event is not kept any more)"
            lost.append(Step(kind="record", depth=0, service=event_class.producer, text=text, at=at))
    return lost[::-1]


def _recorded(found: Mapping[str, Any]) -> Iterator[Record]:
    audit, case = found.get("audit") or {}, found.get("case") or {}
    # An import is a single step, its acceptance; it is dated back to the day of issue.
    imported = bool(audit.get("history"))
    for submission in audit.get("submissions", ()):
        if not imported:
            yield AuditReportSubmitted, moment(submission["submitted_at"]), audit
        if submission["returned_at"]:
            yield AuditReportReturned, moment(submission["returned_at"]), submission
    if audit.get("accepted_at"):
        at = audit["submissions"][-1]["submitted_at"] if imported else audit["accepted_at"]
        yield AuditAccepted, moment(at), audit
    for review in audit.get("plan_reviews", ()):
        yield CorrectiveActionPlanReviewed, moment(review["reviewed_at"]), review
    if decision := case.get("decision"):
        number = decision["certificate_number"]
        facts = {**decision, "number": number, "level": decision["outcome"]}
        yield CertificationRefused if number is None else CertificateIssued, moment(decision["decided_at"]), facts
    for notice in found.get("notices") or ():
        if notice["sent_at"]:
            yield NoticeSent, moment(notice["sent_at"]), {**notice, "notice_type": notice["type"]}
