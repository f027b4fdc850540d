"""Compares what services say of their ledgers; tells every discrepancy in a sentence for who is on call; no I/O."""

import datetime
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.reconciliation.ledger import (
    DISCARDED,
    MISSING,
    REPLAYING,
    Committed,
    Discrepancy,
    Findings,
    Mend,
    Snapshot,
    Waiting,
    name_of,
    producer_of,
)
from touchstone_contracts.bookkeeping import VERSIONS_SKIPPED

ASSESSMENT, CERTIFICATION, NOTIFICATION = "assessment", "certification", "notification"
AUDIT_ACCEPTED = "assessment.audit_accepted"
ISSUED, REFUSED = "certification.certificate_issued", "certification.certification_refused"
HELD, EXPIRED = "certification.certification_held", "certification.certificate_expired"
CHANGED = tuple(
    f"certification.certificate_{change}"
    for change in ("maintained", "upgraded", "downgraded", "suspended", "withdrawn", "renewed", "scope_amended")
)
TOLD = (ISSUED, REFUSED, HELD, EXPIRED, *CHANGED)
"""What stakeholders are told of."""
CERTIFYING = ("full", "provisional")
RETRIED_FOR = datetime.timedelta(minutes=20)
"""Longer than all the retries of an event together."""
OVERTAKEN_BY = datetime.timedelta(seconds=60)
"""An event is not in its queue any more when one that went out so much later was handled."""
ANNOUNCED_FOR = datetime.timedelta(days=55)
"""For how long an event surely stays in its producer's outbox."""


def compare(snapshot: Snapshot) -> Findings:
    """Every discrepancy that this look shows."""
    findings = Findings()
    _deliveries(snapshot, findings)
    findings.add(_unknown(snapshot))
    findings.add(_forged(snapshot))
    findings.add(_overdue(snapshot))
    findings.add(_sequences(snapshot))
    _decisions(snapshot, findings)
    _notices(snapshot, findings)
    return findings


def _deliveries(snapshot: Snapshot, findings: Findings) -> None:
    """What a producer committed and a consumer neither handled nor parked, and what is not to be expected yet."""
    for consumer, waiting in snapshot.waiting.items():
        newest = _newest_handled(snapshot, consumer)
        for type_name, length in waiting.queues.items():
            if length is None:
                findings.add([_queue_missing(consumer, type_name)])
        for event in snapshot.committed.values():
            if event.type not in snapshot.states[consumer]["consumes"]:
                continue
            state = waiting.states.get(event.id)
            if event.id not in waiting.asked or state not in (None, DISCARDED):
                findings.unfinished[event.id] = event
            if (
                event.id not in waiting.asked
                or state == REPLAYING
                or (state == MISSING and _under_way(event, waiting, newest.get(event.type), snapshot.now))
            ):
                findings.undecided.add(event.id)
            elif state == MISSING:
                there_is_a_queue = waiting.queues.get(event.type, 0) is not None
                findings.add([_not_processed(consumer, event, snapshot.held_back(event.id), mendable=there_is_a_queue)])


def _newest_handled(snapshot: Snapshot, consumer: str) -> dict[str, datetime.datetime]:
    newest: dict[str, datetime.datetime] = {}
    for event in snapshot.committed.values():
        if event.published_at and snapshot.handled(consumer, event):
            newest[event.type] = max(newest.get(event.type, event.published_at), event.published_at)
    return newest


def _under_way(
    event: Committed, waiting: Waiting, newest_handled: datetime.datetime | None, now: datetime.datetime
) -> bool:
    """Whether it may still lie in its queue, which is first in first out, or in one that holds it for a retry."""
    if event.published_at is None:
        return True
    overtaken = newest_handled is not None and newest_handled > event.published_at + OVERTAKEN_BY
    if waiting.queues.get(event.type) and not overtaken:
        return True
    return bool(waiting.retrying) and now - event.published_at < RETRIED_FOR


def _not_processed(consumer: str, event: Committed, held_back: str | None, *, mendable: bool) -> Discrepancy:
    about = {"event": event.id, "type": event.type, "producer": event.producer, "subject": event.subject}
    mend = Mend(event.producer, "republish_events", (event.id,)) if mendable and not held_back else None
    advice = f"Nobody publishes it again by itself, since {held_back}: see the runbook." if held_back else _AGAIN
    return Discrepancy(
        consumer,
        "event_not_processed",
        about,
        f"{consumer} has neither handled nor parked event {event.id} ({event.type} about {event.subject}), and no queue"
        f" holds it: it was lost on its way, or with a queue or a database. {advice}",
        mend,
    )


_AGAIN = "Publish it again: reconcile --mend."


def _queue_missing(consumer: str, type_name: str) -> Discrepancy:
    return Discrepancy(
        consumer,
        "queue_missing",
        {"queue": f"{consumer}.{type_name}"},
        f"The queue {consumer}.{type_name} is not there: provision, then reconcile --mend publishes what was lost.",
    )


def _unknown(snapshot: Snapshot) -> Iterator[Discrepancy]:
    for consumer, events in snapshot.unknown.items():
        for id, type_name in events:
            producer = producer_of(type_name)
            yield Discrepancy(
                consumer,
                "event_unknown_upstream",
                {"event": id, "type": type_name, "producer": producer},
                f"{consumer} handled event {id} ({type_name}), which {producer} does not know."
                f" {_forgotten(snapshot, producer, 'enter again what it lost, or take it back downstream')}",
            )


def _forgotten(snapshot: Snapshot, service: str, advice: str) -> str:
    """What to do about something that a service does not know and is said to have said: it forgot, or never said it."""
    at = snapshot.states[service].get("restored_at")  # a service of 0.1 says nothing of it
    if at:
        forgot = f"Its database was put back to an older state at {str(at)[:19]}: if this happened before,"
    else:
        forgot = "No restore of its database is noted: if it was put back without a note,"
    return f"{forgot} {advice}; if not, it is forged, published by somebody else in its name: see the runbook first."


def _forged(snapshot: Snapshot) -> Iterator[Discrepancy]:
    for consumer, state in snapshot.states.items():
        for letter in state.get("not_signed", ()):  # a service of 0.1 says nothing of it
            yield Discrepancy(
                consumer,
                "event_forged",
                {"dead_letter": letter["id"], "reason": letter["reason"]},
                f"Somebody told {consumer} of event {letter['event_id']} ({letter['event_type']}), and its producer did"
                f" not sign it ({letter['reason']}): nothing was done on it. See the runbook for dead letters.",
            )


def _overdue(snapshot: Snapshot) -> Iterator[Discrepancy]:
    for service, state in snapshot.states.items():
        for row in state["overdue"]:
            yield Discrepancy(
                service,
                "event_not_published",
                {"event": row["id"], "type": row["type"], "producer": service},
                f"Event {row['id']} ({row['type']}) has waited for the broker since {row['recorded_at']}:"
                " see the runbook for outbox lag.",
            )


def _sequences(snapshot: Snapshot) -> Iterator[Discrepancy]:
    """Versions of an aggregate that were never announced, where each is; and versions that were announced twice."""
    groups = {
        name_of(type_name): f"{service}/{number}"
        for service, state in snapshot.states.items()
        for number, group in enumerate(state["announced_in_full"])
        for type_name in group
    }
    by_aggregate: dict[tuple[str, str], list[Committed]] = {}
    for event in snapshot.committed.values():
        group = groups.get(name_of(event.type))
        if group and snapshot.now - event.recorded_at < ANNOUNCED_FOR:
            by_aggregate.setdefault((group, event.subject), []).append(event)
    for events in by_aggregate.values():
        yield from _gaps(events)
        yield from _repeated(events)


def _gaps(events: Sequence[Committed]) -> Iterator[Discrepancy]:
    known = sorted({event.sequence for event in events})
    producer, subject = events[0].producer, events[0].subject
    for before, after in itertools.pairwise(known):
        if before + 1 < after < before + VERSIONS_SKIPPED:  # a restore leaves out so many on purpose
            yield Discrepancy(
                producer,
                "sequence_gap",
                {"producer": producer, "subject": subject, "type": name_of(events[0].type), "after": str(before)},
                f"{producer} announced versions {before} and {after} of {subject}, and nothing between them:"
                " an event left the outbox, or was never written. Compare the aggregate with what consumers know.",
            )


def _repeated(events: Sequence[Committed]) -> Iterator[Discrepancy]:
    seen: dict[tuple[str, int], Committed] = {}
    for event in events:
        first = seen.setdefault((event.type, event.sequence), event)
        if first is not event:
            yield Discrepancy(
                event.producer,
                "version_announced_twice",
                {"producer": event.producer, "subject": event.subject, "type": event.type}
                | {"sequence": str(event.sequence)},
                f"{event.producer} announced version {event.sequence} of {event.subject} twice, as events {first.id}"
                f" and {event.id}: consumers may have acted twice.",
            )


def _decisions(snapshot: Snapshot, findings: Findings) -> None:
    accepted = {e.subject: e for e in snapshot.committed.values() if name_of(e.type) == AUDIT_ACCEPTED}
    for audit_id in {*snapshot.cases, *accepted}:
        case, event = snapshot.cases.get(audit_id), accepted.get(audit_id)
        handled = event is not None and snapshot.handled(CERTIFICATION, event)
        without = _about_audit("audit_without_case", audit_id, _WITHOUT_CASE)
        if event is not None and not handled and not snapshot.discarded(CERTIFICATION, event):
            findings.undecided.add(audit_id)
        if case is None:
            continue
        if handled and case["state"] is None:
            findings.add([without])
        findings.add(_case(snapshot, audit_id, case))
        recent = event is not None and snapshot.now - event.recorded_at < ANNOUNCED_FOR
        # What follows a certificate is told by the certificate's own event, which its sequence numbers hold together.
        tells = not case.get("follows") or case["outcome"] == "refused"
        if handled and recent and case["state"] == "decided" and tells and not case["announced"]:
            findings.add([_about_audit("decision_not_announced", audit_id, _NOT_ANNOUNCED)])


_WITHOUT_CASE = (
    "Certification has handled the acceptance of audit {audit} and has no case for it: its database lost documents."
    " Restore them from a backup; sending the event again does nothing while its inbox knows it."
)
_NOT_ANNOUNCED = (
    "The case of audit {audit} is decided and no event ever told so: nobody was notified. Compare outbox and backup."
)
_SENTENCES = {
    "case_without_audit": "Certification has a case for audit {audit}, which assessment does not know as accepted."
    " {forgotten}",
    "case_without_decision": "The case of audit {audit} is decided and holds no decision: its document was damaged.",
    "decision_without_certificate": "The decision on audit {audit} gave certificate {number}, and the register has no"
    " such certificate for it: restore the certificate's document from a backup.",
    "certificates_doubled": "Audit {audit} has more than one certificate ({numbers}): decide which one counts and close"
    " the others by hand; a unique index is missing.",
    "certificate_without_case": "There is a certificate ({numbers}) for audit {audit} and no case: the case's document"
    " was lost. Restore it from a backup.",
    "certificate_without_decision": "There is a certificate ({numbers}) for audit {audit}, and its case holds no"
    " decision that gives it: find out who entered it.",
    "decision_announced_twice": "More than one decision on audit {audit} was announced (events {events}): find out"
    " which one the register shows, and correct what the others set off.",
}


def _about_audit(kind: str, audit_id: str, sentence: str = "", **more: str) -> Discrepancy:
    text = (sentence or _SENTENCES[kind]).format(audit=audit_id, **more)
    return Discrepancy(CERTIFICATION, kind, {"audit": audit_id}, text)


def _case(snapshot: Snapshot, audit_id: str, case: Mapping[str, Any]) -> Iterator[Discrepancy]:
    audit = snapshot.audits.get(audit_id)
    decided, certificates = case["state"] == "decided", case["certificates"]
    numbers = ", ".join(map(str, sorted(certificates)))
    if case["state"] is not None and (audit is None or audit["accepted_at"] is None):
        advice = "have the report submitted and accepted again"
        yield _about_audit("case_without_audit", audit_id, forgotten=_forgotten(snapshot, ASSESSMENT, advice))
    if decided and case["outcome"] is None:
        yield _about_audit("case_without_decision", audit_id)
    if case["outcome"] in CERTIFYING and case["number"] not in certificates:
        yield _about_audit("decision_without_certificate", audit_id, number=str(case["number"]))
    if len(certificates) > 1:
        yield _about_audit("certificates_doubled", audit_id, numbers=numbers)
    if certificates and case["state"] is None:
        yield _about_audit("certificate_without_case", audit_id, numbers=numbers)
    elif certificates and case["number"] not in certificates:
        yield _about_audit("certificate_without_decision", audit_id, numbers=numbers)
    if len(case["announced"]) > 1:
        yield _about_audit("decision_announced_twice", audit_id, events=", ".join(sorted(case["announced"])))
    for certificate_id in case["lacks_expiry"]:
        yield Discrepancy(
            CERTIFICATION,
            "deadline_missing",
            {"audit": audit_id, "certificate": certificate_id},
            f"{certificate_id} is open and nothing will announce its end: set the deadline anew: reconcile --mend.",
            Mend(CERTIFICATION, "restore_deadlines", (certificate_id,), "certificate_expiry"),
        )
    if case.get("lacks_plan_due"):
        yield Discrepancy(
            CERTIFICATION,
            "deadline_missing",
            {"audit": audit_id, "deadline": "plan_due"},
            f"The case of audit {audit_id} is held until a day, and nothing will look at it when that day is over:"
            " set the deadline anew: reconcile --mend.",
            Mend(CERTIFICATION, "restore_deadlines", (audit_id,), "plan_due"),
        )


def _notices(snapshot: Snapshot, findings: Findings) -> None:
    for event in snapshot.committed.values():
        if name_of(event.type) not in TOLD:
            continue
        if snapshot.discarded(NOTIFICATION, event):
            continue
        without = _about_event("event_without_announcement", event, _WITHOUT_ANNOUNCEMENT)
        if not snapshot.handled(NOTIFICATION, event):
            findings.undecided.add(event.id)
            continue
        announcement = snapshot.announcements.get(event.id)
        findings.add([without] if announcement is None else _told(event, announcement))


_WITHOUT_ANNOUNCEMENT = (
    "Notification has handled event {event} ({type}) and knows nothing of it: nobody is told. Its database lost"
    " documents: restore them from a backup."
)


def _about_event(kind: str, event: Committed, sentence: str, **more: str) -> Discrepancy:
    about = {"event": event.id, "producer": event.producer, "type": event.type}
    text = sentence.format(event=event.id, type=event.type, **more)
    return Discrepancy(NOTIFICATION, kind, about | more, text)


def _told(event: Committed, announcement: Mapping[str, Any]) -> Iterator[Discrepancy]:
    notices = announcement["notices"]
    reached = {notice["party"] for notice in notices} | set(announcement["nobody"])
    for party in sorted(set(announcement["parties"]) - reached):
        sentence = (
            "Nobody is told of event {event} ({type}) on behalf of {party}, though somebody could be: see notices."
        )
        yield _about_event("party_not_told", event, sentence, party=party)
    effective = [notice["contact_id"] for notice in notices if notice["effective"]]
    repeated = {contact for contact in effective if effective.count(contact) > 1}
    for contact in sorted(repeated | {notice["contact_id"] for notice in announcement["repeats"]}):
        sentence = (
            "{contact} is told more than once of the same outcome ({type}, event {event}): apologise, and look why."
        )
        yield _about_event("notices_doubled", event, sentence, contact=contact)
    for notice_id in announcement["lacks_sending"]:
        about = {"event": event.id, "producer": event.producer, "notice": notice_id}
        yield Discrepancy(
            NOTIFICATION,
            "deadline_missing",
            about,
            f"Notice {notice_id} waits to be sent and nothing will send it: set the deadline anew: reconcile --mend.",
            Mend(NOTIFICATION, "restore_deadlines", (notice_id,), "send_notice"),
        )
