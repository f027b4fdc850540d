"""Gathers where every unfinished case stands and what it waits for, one line for each case."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from touchstone.cases.event_words import age, words_for
from touchstone.cases.history import moment
from touchstone.cases.steps import UNDER_WAY
from touchstone.rpc.fan_out import IDS_AT_ONCE, SERVICES, Follower

WITH_CASES = ("assessment", "certification", "notification")
OPERATOR = "operator"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """`waits_for` goes on from "waits for". `who` must act; None: it goes on by itself, at `until` where that is known.

    `case` is the audit's id; None for what belongs to no case that is known.
    """

    case: str | None
    certificate_number: int | None = None
    service: str
    state: str
    since: datetime.datetime | None
    waits_for: str
    who: str | None
    until: str | None = None
    reasons: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def unfinished(follower: Follower, now: datetime.datetime, window: datetime.timedelta) -> list[Line]:
    """All that is unfinished, one line for each case. Events that nobody processed are looked for in the `window`."""
    lines = [line for service in WITH_CASES for line in _waiting(follower, service)]
    for service in SERVICES:
        found = follower.ask(service, "list_hindrances")
        if found is not None:
            found["parked"] = list(_completed(follower, found["parked"]))
            lines += hindrances(service, found, now)
    lines += _unprocessed(follower, now, now - window)
    lines += [silence(service, why) for service, why in follower.silent.items()]
    return one_for_each_case(lines)


def waiting_lines(service: str, items: Iterable[Mapping[str, Any]]) -> list[Line]:
    """What a service's own records say (`list_unfinished`)."""
    return [
        Line(
            case=item["case"],
            certificate_number=item["certificate_number"],
            service=service,
            state=item["state"],
            since=moment(item["since"]),
            waits_for=item["waits_for"],
            who=item["who"],
            until=item["until"],
            reasons=tuple(item["reasons"]),
        )
        for item in items
    ]


def hindrances(service: str, found: Mapping[str, Any], now: datetime.datetime) -> list[Line]:
    """What a service's bookkeeping says (`list_hindrances`): always something for the operator."""
    lines = [_unpublished(service, item, now) for item in found["unpublished"]]
    lines += [_parked(service, item) for item in found["parked"]]
    lines += [_deadline(service, item) for item in found["deadlines"]]
    if found["more"]:
        text = "an operator: there is more than is shown here"
        lines.append(Line(case=None, service=service, state="more", since=None, waits_for=text, who=OPERATOR))
    return lines


def silence(service: str, why: str) -> Line:
    """A service that does not answer: what stands there is not known."""
    text = f"the service: {why}. Its cases are not shown"
    return Line(case=None, service=service, state="no answer", since=None, waits_for=text, who=OPERATOR)


def one_for_each_case(lines: Iterable[Line]) -> list[Line]:
    """For each case its most urgent line, what else it waits for in `also`; the longest waiting first."""
    by_case: dict[object, list[Line]] = {}
    for number, line in enumerate(lines):
        by_case.setdefault(line.case or number, []).append(line)
    merged = [_merged(sorted(of_case, key=_urgency)) for of_case in by_case.values()]
    return sorted(merged, key=lambda line: (line.who is None, _since(line), line.case or ""))


def _merged(lines: list[Line]) -> Line:
    first, *others = lines
    number = next((line.certificate_number for line in lines if line.certificate_number is not None), None)
    also = tuple(dict.fromkeys(line.waits_for for line in others if line.waits_for != first.waits_for))
    return dataclasses.replace(first, certificate_number=number, also=also)


def _urgency(line: Line) -> tuple[int, float]:
    rank = 0 if line.who == OPERATOR else 1 if line.who else 2
    return rank, _since(line)


def _since(line: Line) -> float:
    return line.since.timestamp() if line.since else 0.0


def _waiting(follower: Follower, service: str) -> list[Line]:
    return waiting_lines(service, follower.every(service, "list_unfinished", limit=200))


def _unpublished(service: str, item: Mapping[str, Any], now: datetime.datetime) -> Line:
    since = moment(item["recorded_at"])
    said = f"; it said {item['last_outcome']}, try {item['attempts'] + 1}" if item["last_outcome"] else ""
    waited = age((now - since).total_seconds())
    return Line(
        case=_case_of(item),
        service=service,
        state="event not published",
        since=since,
        waits_for=f"the broker to confirm {item['type'] or 'a message'}, for {waited}{said}",
        who=OPERATOR,
    )


def _completed(follower: Follower, parked: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Where a parked body does not say which case it is about, its producer may still have the event as it was."""
    mute = [item["event_id"] for item in parked if item["event_id"] and not item["facts"].get("audit_id")]
    known: dict[str, dict[str, Any]] = {}
    for start in range(0, len(mute), IDS_AT_ONCE):
        for service in SERVICES:
            events = follower.every(service, "find_events", ids=mute[start : start + IDS_AT_ONCE])
            known |= {event["id"]: event["facts"] for event in events}
    for item in parked:
        yield item | {"facts": known.get(item["event_id"], {}) | item["facts"]}


def _parked(service: str, item: Mapping[str, Any]) -> Line:
    named = item["event_type"] or "a message"
    return Line(
        case=item["facts"].get("audit_id"),
        certificate_number=item["facts"].get("number"),
        service=service,
        state="event parked",
        since=moment(item["parked_at"]),
        waits_for=f"somebody who mends and replays {named}: dead letter {item['id']} ({item['reason']})",
        who=OPERATOR,
    )


def _deadline(service: str, item: Mapping[str, Any]) -> Line:
    named = f"{item['kind'].replace('_', ' ')} of {item['key'].rstrip('/')}"
    failed = item["attempt"] - 1
    again = f", next at {item['claimed_until'][:19].replace('T', ' ')}" if item["claimed_until"] else ""
    text = f"its deadline {named}, which failed {failed} times{again}" if failed > 0 else f"its deadline {named} to run"
    return Line(
        case=item["case"],
        service=service,
        state="deadline fails" if failed > 0 else "deadline overdue",
        since=moment(item["due_at"]),
        waits_for=text,
        who=OPERATOR,
    )


def _case_of(item: Mapping[str, Any]) -> str | None:
    """The audit that an event is about: its facts say so, or its subject where it is the audit's own event."""
    named = item["facts"].get("audit_id")
    return named or (item["subject"] if (item["type"] or "").startswith("assessment.audit") else None)


def _unprocessed(follower: Follower, now: datetime.datetime, since: datetime.datetime) -> Iterator[Line]:
    """Events that were published and that a consumer neither processed nor gave up."""
    consumes = {service: set(follower.trace(service, ["-"])["consumes"]) for service in SERVICES}
    wanted = sorted(set().union(*consumes.values()))
    for producer in SERVICES if wanted else ():
        asked = {"since": since.isoformat(), "types": wanted, "limit": 500}
        events = [item for item in follower.every(producer, "find_events", **asked) if item["published_at"]]
        old = [item for item in events if now - moment(item["published_at"]) > UNDER_WAY]
        for consumer, types in consumes.items():
            yield from _left_by(follower, consumer, producer, [item for item in old if item["type"] in types], now)


def _left_by(
    follower: Follower, consumer: str, producer: str, events: list[dict[str, Any]], now: datetime.datetime
) -> Iterator[Line]:
    found = follower.trace(consumer, [item["id"] for item in events])
    if consumer in follower.silent:
        return
    seen = {row["event_id"] for row in [*found["processed"], *filter(_is_with_somebody, found["dead_letters"])]}
    left = [item["id"] for item in events if item["id"] not in seen]
    for start in range(0, len(left), IDS_AT_ONCE):
        whole = follower.every(producer, "find_events", ids=left[start : start + IDS_AT_ONCE])
        for item in whole:
            yield _not_processed(consumer, item, now)


def _is_with_somebody(letter: Mapping[str, Any]) -> bool:
    """Whether a dead letter is parked, done with, or about to be sent back. One that went out again may be lost."""
    return letter["state"] in ("parked", "discarded") or bool(letter.get("replaying"))


def _not_processed(consumer: str, item: Mapping[str, Any], now: datetime.datetime) -> Line:
    published = moment(item["published_at"])
    happened = words_for(item["type"], item["facts"])
    waited = age((now - published).total_seconds())
    return Line(
        case=_case_of(item),
        certificate_number=item["facts"].get("number"),
        service=consumer,
        state="event not processed",
        since=published,
        waits_for=f"{consumer} to process {happened!r}, published {waited} ago: it is in a queue, in a retry, or lost",
        who=OPERATOR,
    )
