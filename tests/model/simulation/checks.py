"""What must hold in the model: each function names what does not, as sentences; nothing else is done here."""

import dataclasses
import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

ISSUED, REFUSED = "certification.certificate_issued.v1", "certification.certification_refused.v1"
HELD, EXPIRED = "certification.certification_held.v1", "certification.certificate_expired.v1"
CONTACT = "membership.contact_changed.v1"
ACTIVATED = "membership.membership_activated.v1"
SUSPENDED = "membership.membership_suspended.v1"
REINSTATED = "membership.membership_reinstated.v1"
CHANGED = tuple(
    f"certification.certificate_{change}.v1"
    for change in ("maintained", "upgraded", "downgraded", "suspended", "withdrawn", "renewed", "scope_amended")
)
TOLD = (ISSUED, REFUSED, HELD, EXPIRED, *CHANGED)
SILENT_VERSIONS = {"auditors", "mandates", "announcements", "notices", "reports"}
"""Collections whose aggregates also change without announcing it; contacts of notification are copies."""

RECORDS = {
    ("membership", "organisations"): "membership.organisation_recorded.v1",
    ("membership", "entities"): "membership.entity_recorded.v1",
    ("membership", "facilities"): "membership.facility_recorded.v1",
    ("membership", "contacts"): CONTACT,
    ("certification", "cases"): "certification.case_recorded.v1",
    ("certification", "certificates"): "certification.certificate_recorded.v1",
}
"""Collections whose aggregates are copied by others; each with the record of one."""
BROUGHT_ALONG = {
    "assessment.standard_published.v1",
    "certification.rule_set_published.v1",
    "membership.obligations_published.v1",
}
"""Records of reference data: the versions that a release brings along go without one, until a backfill asks for it."""


@dataclasses.dataclass(frozen=True)
class Trace:
    """Where one event stands with one consumer: `processed`, `queued`, `pending` (in the outbox) or `lost`."""

    event_id: str
    type: str
    consumer: str
    state: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """All that is there, and all that was ever announced."""

    today: datetime.date
    events: list[dict[str, Any]]
    """Messages in the order of their commits."""
    traces: list[Trace]
    versions: dict[tuple[str, str, str], int]
    """Of every aggregate, by service, collection and id."""
    skipped: list[str]
    audits: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    certificates: list[dict[str, Any]]
    mandates: list[dict[str, Any]]
    rule_sets: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    sent: list[Any]
    parked: list[str]

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        return [message for message in self.events if message["type"] in types]


def always(picture: Picture) -> list[str]:
    """What must hold after every step."""
    return [
        *picture.skipped,
        *(f"given up: {sentence}" for sentence in picture.parked),
        *messages(picture),
        *sequences(picture),
        *records(picture),
        *decisions(picture),
        *rules(picture),
        *certificates(picture),
        *doubled_notices(picture),
    ]


def at_rest(picture: Picture) -> list[str]:
    """What must hold, too, when nothing is under way."""
    return [
        *always(picture),
        *(f"{t.type} {t.event_id} is {t.state} for {t.consumer}" for t in picture.traces if t.state != "processed"),
        *undecided(picture),
        *expiries(picture),
        *notices(picture),
    ]


def messages(picture: Picture) -> Iterator[str]:
    for trace in picture.traces:
        if trace.state == "lost":
            yield f"{trace.type} {trace.event_id} is neither processed nor waiting for {trace.consumer}"


def sequences(picture: Picture) -> Iterator[str]:
    """An event's sequence is its aggregate's version; where every change is announced, none is left out."""
    said: dict[tuple[str, str], list[int]] = defaultdict(list)
    for message in picture.events:
        said[message["source"].rpartition("/")[2], message["subject"]].append(message["sequence"])
    for (service, collection, id), version in picture.versions.items():
        numbers = said.get((service, id), [])
        if max(numbers, default=0) > version:
            yield f"{collection}/{id} is at version {version} and announced {max(numbers)}"
        if (
            collection not in SILENT_VERSIONS
            and service != "notification"
            and set(numbers) != set(range(1, version + 1))
        ):
            yield f"{collection}/{id} is at version {version} and announced {sorted(set(numbers))}"


def records(picture: Picture) -> Iterator[str]:
    """Each version of an aggregate that others copy went with one record."""
    said: dict[tuple[str, str], list[int]] = defaultdict(list)
    for message in picture.of_type(*RECORDS.values()):
        said[message["type"], message["subject"]].append(message["sequence"])
    for (service, collection, id), version in picture.versions.items():
        record = RECORDS.get((service, collection))
        if record and sorted(said[record, id]) != list(range(1, version + 1)):
            yield f"{collection}/{id} is at version {version} and recorded {sorted(said[record, id])}"


def decisions(picture: Picture) -> Iterator[str]:
    """At most one decision on an audit, and only on one that was accepted."""
    accepted = {audit["_id"] for audit in picture.audits if audit["state"] == "accepted"}
    decided = Counter(message["data"]["audit_id"] for message in picture.of_type(ISSUED, REFUSED))
    for audit_id, count in decided.items():
        if count > 1:
            yield f"{audit_id} was decided {count} times"
        if audit_id not in accepted:
            yield f"{audit_id} was decided and is not accepted"
    yield from (
        f"{case['_id']} has a case and is not accepted" for case in picture.cases if case["_id"] not in accepted
    )


def rules(picture: Picture) -> Iterator[str]:
    """Every decision names the rule set that its day has, whatever was published before, after or meanwhile."""
    for case in picture.cases:
        if case["decision"] is None:
            continue
        day, kept = case["decision"]["on"], case["evaluation"]
        wanted = _rule_set_on(day, picture)
        if wanted is None or (kept["rule_set"], kept["rule_set_hash"]) != (wanted["reference_version"], wanted["hash"]):
            yield f"{case['_id']} was decided by rule set {kept['rule_set']}, which is not that of {day}"


def _rule_set_on(day: str, picture: Picture) -> dict[str, Any] | None:
    effective = [one for one in picture.rule_sets if one["effective_from"] <= day]
    return max(effective, key=lambda one: one["reference_version"], default=None)


def certificates(picture: Picture) -> Iterator[str]:
    """A number, an audit and an issue belong together, one of each; one valid at a time for what is certified."""
    for field in ("number", "audit_id"):
        counts = Counter(certificate[field] for certificate in picture.certificates)
        yield from (f"{count} certificates with {field} {value}" for value, count in counts.items() if count > 1)
    numbers = Counter(message["data"]["number"] for message in picture.of_type(ISSUED))
    yield from (f"number {number} was issued {count} times" for number, count in numbers.items() if count > 1)
    day = picture.today.isoformat()
    valid = Counter(
        (c["entity_id"], c["standard_code"], c["scope_key"])
        for c in picture.certificates
        if c["issued_on"] <= day <= c["expires_on"]
    )
    yield from (f"{count} valid certificates for {', '.join(key)}" for key, count in valid.items() if count > 1)
    certified = {c["_id"]: c["decision"]["certificate_number"] for c in picture.cases if c["decision"]}
    for certificate in picture.certificates:
        if certified.get(certificate["audit_id"]) != certificate["number"]:
            yield f"certificate {certificate['number']} rests on no decision"


def doubled_notices(picture: Picture) -> Iterator[str]:
    """One notice for an event and a person; told twice only under one Message-ID."""
    counts = Counter((notice["about"], notice["contact_id"]) for notice in picture.notices)
    yield from (f"{count} notices on {about} to {who}" for (about, who), count in counts.items() if count > 1)
    by_id = {notice["_id"]: notice for notice in picture.notices}
    for sent in picture.sent:
        notice = by_id.get(sent.notice_id)
        if notice is None or notice["message_id"] != sent.message_id or notice["contact_id"] not in sent.recipient:
            yield f"the mail {sent.message_id} to {sent.recipient} is no notice's"
    announced = Counter(m["subject"] for m in picture.of_type("notification.notice_sent.v1"))
    yield from (f"notice {id} was announced as sent {count} times" for id, count in announced.items() if count > 1)


def undecided(picture: Picture) -> Iterator[str]:
    """Every accepted audit has its case, and its decision unless something that is really missing stands in the way."""
    cases = {case["_id"]: case for case in picture.cases}
    decided = {message["data"]["audit_id"] for message in picture.of_type(ISSUED, REFUSED)}
    for audit in picture.audits:
        if audit["state"] != "accepted":
            continue
        case = cases.get(audit["_id"])
        if case is None:
            yield f"{audit['_id']} was accepted and has no case"
        elif (case["state"] == "decided") != (audit["_id"] in decided):
            yield f"{audit['_id']} is {case['state']} and {'a' if audit['_id'] in decided else 'no'} decision was told"
        elif case["state"] != "decided" and not _waits_rightly(case, audit, picture):
            yield f"{audit['_id']} is {case['state']} for {_codes(case)} and need not wait"


def expiries(picture: Picture) -> Iterator[str]:
    """Each certificate whose last day has passed is announced as expired, once; no other is."""
    told = Counter(message["data"]["number"] for message in picture.of_type(EXPIRED))
    for certificate in picture.certificates:
        due = int(certificate["expires_on"] < picture.today.isoformat())
        if told[certificate["number"]] != due:
            yield f"certificate {certificate['number']}: {told[certificate['number']]} expiries told, {due} due"


def notices(picture: Picture) -> Iterator[str]:
    """Everyone who had to be told of a change was, once; nobody else, but for who seemed right when it was sent."""
    found = {(notice["about"], notice["contact_id"]): notice for notice in picture.notices}
    surely = {sent.notice_id for sent in picture.sent if sent.all_known}
    due = set()
    for message in picture.of_type(*TOLD):
        moment = _moment(message)
        for contact_id, standings in _to_tell(message, picture) if message["data"]["notify"] else ():
            due.add((message["id"], contact_id))
            notice = found.get((message["id"], contact_id))
            state = notice["state"] if notice else "missing"
            left = any(at > moment and not reachable for at, reachable in standings)
            if state != "sent" and not (state == "cancelled" and left):
                yield f"the notice on {message['type']} {message['id']} to {contact_id} is {state}"
    for key, notice in found.items():
        harmless = ("not_due", "cancelled") if notice["_id"] in surely else ("not_due", "cancelled", "sent")
        if key not in due and notice["state"] not in harmless:
            yield f"the notice on {notice['about']} to {notice['contact_id']} is {notice['state']} and not due"


def _to_tell(message: dict[str, Any], picture: Picture) -> Iterator[tuple[str, list[tuple[datetime.datetime, bool]]]]:
    """Who must be told, with the times at which each could be: all who could then, else the first who came along."""
    moment, data = _moment(message), message["data"]
    parties = (("member", data["member_id"]), ("body", data["body_id"]), ("secretariat", "secretariat"))
    for party in parties:
        people = {id: s for id, (of, s) in _standings(picture).items() if of == party}
        present = {id for id, s in people.items() if [r for at, r in s if at <= moment][-1:] == [True]}
        if not present:
            arrivals = [(at, id) for id, s in people.items() for at, reachable in s if reachable and at > moment]
            present = {min(arrivals)[1]} if arrivals else set()
        yield from ((id, people[id]) for id in sorted(present))


def _standings(picture: Picture) -> dict[str, tuple[tuple[str, str], list[tuple[datetime.datetime, bool]]]]:
    """Each contact's party, and when it could be told from then on and when not, oldest first."""
    known: dict[str, tuple[tuple[str, str], list[tuple[datetime.datetime, bool]]]] = {}
    for message in sorted(picture.of_type(CONTACT), key=lambda m: m["sequence"]):
        data = message["data"]
        party = (data["party"]["kind"], data["party"]["id"])
        known.setdefault(data["contact_id"], (party, []))[1].append((_moment(message), data["active"]))
    return known


def _waits_rightly(case: dict[str, Any], audit: dict[str, Any], picture: Picture) -> bool:
    """Whether what the case says it waits for is missing, by what was announced."""
    of_member = [m for m in picture.events if m["data"].get("member_id") == audit["member_id"]]
    if case["state"] == "awaiting_member":
        return not any(m["type"] == ACTIVATED for m in of_member)
    if case["state"] == "awaiting_decision":
        return not any(_covers(mandate, audit, picture) for mandate in picture.mandates)
    return all(_is_missing(code, case, audit, picture) for code in _codes(case))


def _is_missing(code: str, case: dict[str, Any], audit: dict[str, Any], picture: Picture) -> bool:
    if code == "membership_not_active":
        standings = [m for m in picture.of_type(ACTIVATED, SUSPENDED, REINSTATED) if m["subject"] == audit["member_id"]]
        return max(standings, key=lambda m: m["sequence"])["type"] == SUSPENDED
    if code == "plan_not_approved":
        until = case["evaluation"]["until"]
        in_time = until is None or picture.today.isoformat() <= until
        return in_time and any(n["plan_state"] != "approved" for n in audit["nonconformities"])
    if code in ("certificate_exists", "ps_certificate_missing"):
        day, standard = picture.today.isoformat(), audit["summary"]["standard"]["code"]
        wanted = standard if code == "certificate_exists" else "PS"
        valid = [c for c in picture.certificates if c["issued_on"] <= day <= c["expires_on"]]
        entity = audit["summary"]["entity"]["id"]
        there = any(c["entity_id"] == entity and c["standard_code"] == wanted for c in valid)
        return there if code == "certificate_exists" else not there or audit["history"] is not None
    return code == "number_taken"


def _covers(mandate: dict[str, Any], audit: dict[str, Any], picture: Picture) -> bool:
    standard, today = audit["summary"]["standard"], picture.today.isoformat()
    rule_set = _rule_set_on(today, picture)
    in_time = mandate["valid_from"] <= today <= mandate["valid_until"]
    in_time = in_time and rule_set is not None and mandate["rule_set"] == rule_set["reference_version"]
    return in_time and f"{standard['code']} {standard['version']}" in mandate["standards"]


def _codes(case: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in (case["evaluation"] or {"reasons": []})["reasons"]]


def _moment(message: dict[str, Any]) -> datetime.datetime:
    return datetime.datetime.fromisoformat(message["time"])
