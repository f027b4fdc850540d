"""Compares what a run left behind with what it must have left behind; pure: each difference is a Fault."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from touchstone_devkit.chaos.forging import Reception
from touchstone_devkit.demo.outcome import DECISIONS

LOST, DOUBLED, PARKED, UNFINISHED, WRONG = "lost", "doubled", "parked", "unfinished", "wrong"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One broken promise: its kind, and a sentence that says what it is."""

    kind: str
    sentence: str
    count: int = 1
    """How many messages it concerns, where one sentence stands for several."""


@dataclasses.dataclass(frozen=True)
class Expected:
    """What was asked of the system and acknowledged."""

    accepted: dict[str, str]
    """The outcome, `issued` or `refused`, that each accepted audit must have, by audit id."""
    entity_ids: set[str]
    mandate_ids: set[str]
    contact_ids: set[str]
    """Everyone who must hear of each decision."""


@dataclasses.dataclass(frozen=True)
class Found:
    """What is there: documents of the stores, events that were heard, mails that arrived, messages that are left."""

    entity_ids: list[str]
    mandate_ids: list[str]
    audits: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    certificates: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    events: list[dict[str, Any]]
    mails: list[tuple[str, str]]
    """Message-ID and recipient of each."""
    dead_letters: dict[str, int]
    """How many are parked of each service's, but for those that are forged and were discarded as that."""
    under_way: dict[str, int]
    receptions: Sequence[Reception] = ()
    """What became of each event that was forged."""


def faults(expected: Expected, found: Found) -> list[Fault]:
    """Everything that was lost, doubled, parked, left over or is otherwise wrong."""
    return [
        *faults_of_commands(expected, found),
        *faults_of_decisions(expected, found),
        *faults_of_certificates(expected, found),
        *faults_of_notices(expected, found),
        *faults_of_mails(found),
        *faults_of_leftovers(found),
        *faults_of_forgeries(found),
    ]


def faults_of_commands(expected: Expected, found: Found) -> Iterator[Fault]:
    """What was acknowledged is there, and nothing of it twice."""
    yield from _counted("entity", found.entity_ids, expected.entity_ids)
    yield from _counted("mandate", found.mandate_ids, expected.mandate_ids)
    state = {audit["_id"]: audit["state"] for audit in found.audits}
    for audit_id in expected.accepted:
        if state.get(audit_id) != "accepted":
            yield Fault(LOST, f"{audit_id} was accepted and is {state.get(audit_id)}")


def faults_of_decisions(expected: Expected, found: Found) -> Iterator[Fault]:
    """One case for each accepted audit, decided as it must be, and announced under one event id."""
    state = {case["_id"]: case["state"] for case in found.cases}
    announced: dict[str, set[tuple[str, str]]] = {}
    for message in found.events:
        if message["type"] in DECISIONS:
            outcome = DECISIONS[message["type"]]
            announced.setdefault(message["data"]["audit_id"], set()).add((message["id"], outcome))
    yield from (
        Fault(WRONG, f"{id} has a case and was not accepted") for id in sorted(set(state) - set(expected.accepted))
    )
    for audit_id, outcome in expected.accepted.items():
        if state.get(audit_id) != "decided":
            yield Fault(LOST, f"{audit_id} is not decided")
        told = [kind for _, kind in announced.get(audit_id, ())]
        if told != [outcome]:
            kind = LOST if not told else DOUBLED if len(told) > 1 else WRONG
            yield Fault(kind, f"{audit_id}: announced {told}, not once {outcome}")


def faults_of_certificates(expected: Expected, found: Found) -> Iterator[Fault]:
    """One certificate for each audit that was certified, none for the others, no number twice."""
    of_audit = Counter(certificate["audit_id"] for certificate in found.certificates)
    for audit_id, outcome in expected.accepted.items():
        count, due = of_audit.pop(audit_id, 0), int(outcome == "issued")
        if count != due:
            kind = LOST if count < due else DOUBLED
            yield Fault(kind, f"{audit_id} was {outcome} and has {count} certificates")
    for audit_id in of_audit:
        yield Fault(WRONG, f"a certificate rests on {audit_id}, which was not accepted")
    numbers = Counter(certificate["number"] for certificate in found.certificates)
    yield from (Fault(DOUBLED, f"certificate {number} stands twice") for number, n in numbers.items() if n > 1)


def faults_of_notices(expected: Expected, found: Found) -> Iterator[Fault]:
    """One notice, sent, for each person and audit."""
    told = [f"{notice['audit_id']} to {notice['contact_id']}" for notice in found.notices]
    everyone = {f"{audit_id} to {contact_id}" for audit_id in expected.accepted for contact_id in expected.contact_ids}
    yield from _counted("notice on", told, everyone)
    yield from (Fault(LOST, f"{n['_id']} is {n['state']}") for n in found.notices if n["state"] != "sent")


def faults_of_mails(found: Found) -> Iterator[Fault]:
    """At least one mail for each notice; repeats with its Message-ID only."""
    recipients: dict[str, list[str]] = {}
    for message_id, recipient in found.mails:
        recipients.setdefault(message_id, []).append(recipient)
    promised = {notice["message_id"] for notice in found.notices}
    yield from (Fault(LOST, f"no mail {id} arrived") for id in sorted(promised - set(recipients)))
    yield from (Fault(WRONG, f"mail {id} belongs to no notice") for id in sorted(set(recipients) - promised))
    for message_id, people in recipients.items():
        if len(set(people)) > 1:
            yield Fault(DOUBLED, f"mail {message_id} went to several people")


def faults_of_leftovers(found: Found) -> Iterator[Fault]:
    """Nothing was given up, and nothing is under way any more."""
    yield from (Fault(PARKED, f"{count} messages in {queue}", count) for queue, count in found.dead_letters.items())
    yield from (Fault(UNFINISHED, f"{count} left in {place}") for place, count in found.under_way.items())


def faults_of_forgeries(found: Found) -> Iterator[Fault]:
    """Each is parked for what it is, and called that by whatever an operator asks. What came of it is found above."""
    for reception in found.receptions:
        forgery = reception.forgery
        named = f"{forgery.audit_id}, which is {forgery.reason},"
        if reception.letter is None:
            yield Fault(WRONG, f"{named} was not parked")
            continue
        if (reason := reception.letter["reason"]) != forgery.reason:
            yield Fault(WRONG, f"{named} was parked as {reason}")
        if not reception.told_by_case:
            yield Fault(WRONG, f"{named} is not called that by `touchstone case`: {list(reception.steps)}")
        if not reception.told_by_reconcile:
            yield Fault(WRONG, f"{named} is not called that by `touchstone reconcile`: {list(reception.discrepancies)}")


def mails_again(found: Found) -> int:
    """How many mails came more than once with the same Message-ID, which is allowed."""
    return sum(count - 1 for count in Counter(message_id for message_id, _ in found.mails).values())


def _counted(what: str, found: Iterable[str], expected: set[str]) -> Iterator[Fault]:
    counts = Counter(found)
    for id in sorted(expected | set(counts)):
        if id not in expected:
            yield Fault(WRONG, f"{what} {id} is there and was not asked for")
        elif counts[id] != 1:
            yield Fault(DOUBLED if counts[id] else LOST, f"{what} {id} is there {counts[id]} times")
