"""Gathers where every unfinished case stands and what it waits for, one line for each case."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from touchstone.cases.history import age, moment
from touchstone.cases.timeline import UNDER_WAY
from touchstone.events.words import words_for
from touchstone.rpc.fan_out import FanOut
from touchstone_contracts.registry import known
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.services import SERVICES, WITH_CASES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """`waits_for` goes on from "waits for". `who` must act; None: it goes on by itself, at `until` where that is known.

    `case` is the audit's id; None for what belongs to no case that is known.
    """

    case: str | None = None
    certificate_number: int | None = None
    service: str
    state: str
    since: datetime.datetime | None = None
    waits_for: str
    who: str | None = OPERATOR
    until: str | None = None
    reasons: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def unfinished(services: FanOut, now: datetime.datetime, window: datetime.timedelta) -> list[Line]:
    """All that is unfinished, one line for each case. Events that nobody processed are looked for in the `window`."""
    lines = list(waiting_lines(services, limit=200))
    for service in SERVICES:
        found = services.ask(service, "list_hindrances")
        if found is not None:
            found["parked"] = list(_completed(services, found["parked"]))
            lines += stuck_messages(service, found, now)
    lines += _unprocessed(services, now, now - window)
    for service, why in services.silent.items():
        text = f"the service: {why}. Its cases are not shown"
        lines.append(Line(service=service, state="no answer", waits_for=text))
    return one_for_each_case(lines)


def waiting_lines(services: FanOut, **asked: Any) -> Iterator[Line]:
    """What the services' own records say (`list_unfinished`), of those that keep records of cases."""
    for service in WITH_CASES:
        for item in services.every(service, "list_unfinished", **asked):
            of_line = {field.name: item[field.name] for field in dataclasses.fields(Line) if field.name in item}
            timed = {"since": moment(item["since"]), "reasons": tuple(item["reasons"])}
            yield Line(service=service, **of_line | timed)


def stuck_messages(service: str, found: Mapping[str, Any], now: datetime.datetime) -> list[Line]:
    """What a service's bookkeeping says (`list_hindrances`): always something for the operator."""
    lines = [_unpublished(service, item, now) for item in found["unpublished"]]
    lines += [_parked(service, item) for item in found["parked"]]
    lines += [_overdue(service, item) for item in found["deadlines"]]
    if found["more"]:
        lines.append(Line(service=service, state="more", waits_for="an operator: there is more than is shown here"))
    return lines


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


def _unpublished(service: str, item: Mapping[str, Any], now: datetime.datetime) -> Line:
    since = moment(item["recorded_at"])
    said = f"; it said {item['last_outcome']}, try {item['attempts'] + 1}" if item["last_outcome"] else ""
    waited = age((now - since).total_seconds())
    text = f"the broker to confirm {item['type'] or 'a message'}, for {waited}{said}"
    return Line(case=_case_of(item), service=service, state="event not published", since=since, waits_for=text)


def _completed(services: FanOut, parked: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Where a parked body does not say which case it is about, its producer may still have the event as it was."""
    mute = [item["event_id"] for item in parked if item["event_id"] and not item["facts"].get("audit_id")]
    facts = {event["id"]: event["facts"] for _service, event in services.find_events("ids", mute)}
    for item in parked:
        yield item | {"facts": facts.get(item["event_id"], {}) | item["facts"]}


def _parked(service: str, item: Mapping[str, Any]) -> Line:
    return Line(
        case=item["facts"].get("audit_id"),
        certificate_number=item["facts"].get("number"),
        service=service,
        state="event parked",
        since=moment(item["parked_at"]),
        waits_for=_with_the_letter(item),
    )


def _with_the_letter(item: Mapping[str, Any]) -> str:
    named, letter = item["event_type"] or "a message", f"dead letter {item['id']} ({item['reason']})"
    obstacle = item.get("obstacle") or {}  # a service of 0.1 says nothing of it
    if obstacle.get("code") == "unknown_version":
        return f"a release that knows {named}, and then a replay: {letter}"
    if obstacle:
        return f"somebody who discards {named}: {letter}. {obstacle['message']}"
    if item["reason"] in ("unsigned", "forged"):
        return f"somebody who finds out who published {named}, and discards it if its producer did not: {letter}"
    return f"somebody who mends and replays {named}: {letter}"


def _overdue(service: str, item: Mapping[str, Any]) -> Line:
    named = f"{item['kind'].replace('_', ' ')} of {item['key'].rstrip('/')}"
    failed = item["attempt"] - 1
    again = f", next at {item['claimed_until'][:19].replace('T', ' ')}" if item["claimed_until"] else ""
    return Line(
        case=item.get("case"),
        service=service,
        state="job fails" if failed > 0 else "job overdue",
        since=moment(item["due_at"]),
        waits_for=f"its job {named}{f', which failed {failed} times{again}' if failed > 0 else ' to run'}",
    )


def _case_of(item: Mapping[str, Any]) -> str | None:
    """The audit that an event is about: its facts say so, or its subject where it is the audit's own event."""
    of_audit = getattr(known(item["type"]), "subject_field", None) == "audit_id"
    case: str | None = item["facts"].get("audit_id") or (item["subject"] if of_audit else None)
    return case


def _unprocessed(services: FanOut, now: datetime.datetime, since: datetime.datetime) -> Iterator[Line]:
    """Events that were published and that a consumer neither processed nor gave up."""
    consumes = {service: set(services.trace(service, ["-"])["consumes"]) for service in SERVICES}
    wanted = sorted(set().union(*consumes.values()))
    for producer in SERVICES if wanted else ():
        asked = {"since": since.isoformat(), "types": wanted, "limit": 500}
        events = [item for item in services.every(producer, "find_events", **asked) if item["published_at"]]
        old = [item for item in events if now - moment(item["published_at"]) > UNDER_WAY]
        for consumer, types in consumes.items():
            left = _left_by(services, consumer, [item["id"] for item in old if item["type"] in types])
            for _producer, item in services.find_events("ids", left, [producer]):
                yield _not_processed(consumer, item, now)


def _left_by(services: FanOut, consumer: str, ids: list[str]) -> list[str]:
    """Of these events those that the consumer, unless it is silent, neither processed nor gave up.

    A dead letter that is parked, done with or about to be sent back is given up. One that went out again may be lost.
    """
    found = services.trace(consumer, ids)
    if consumer in services.silent:
        return []
    given_up = [row for row in found["dead_letters"] if row["state"] in ("parked", "discarded") or row.get("replaying")]
    seen = {row["event_id"] for row in [*found["processed"], *given_up]}
    return [id for id in ids if id not in seen]


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
    )
