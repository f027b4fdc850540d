"""What the public is shown of certificates."""

import datetime
from typing import Any

from certification.domain.certificates.certificate import Certificate, Status
from certification.presenters.values import plain

_REASONS = {
    Status.VALID: "Valid from {issued_on} until {expires_on}.",
    Status.SUSPENDED: "Suspended since {since}; nothing may be claimed by it until it is reinstated.",
    Status.WITHDRAWN: "Withdrawn since {since}.",
    Status.EXPIRED: "Expired: its last day was {expires_on}.",
    Status.NOT_YET_VALID: "Not valid before {issued_on}.",
}


def certificate(given: Certificate, *, today: datetime.date) -> dict[str, Any]:
    """The public record; `status` as of `today`."""
    record = given.record
    return {
        "certificate_id": given.id,
        "number": record.number,
        "certificate_version": record.certificate_version,
        "status": given.status_on(today).value,
        "level": record.level.value,
        "standard": plain(record.standard),
        "member_id": record.member_id,
        "member_name": record.member_name,
        "entity": plain(record.entity),
        "scope": plain(record.scope),
        "body_id": record.body_id,
        "body_name": record.body_name,
        "issued_on": record.issued_on.isoformat(),
        "expires_on": record.expires_on.isoformat(),
        "certified_since": record.certified_since.isoformat(),
        "audit_id": record.audit_id,
        "decided_by": record.decided_by,
        "rule_set": record.rule_set,
        "source": record.source,
    }


def verification(number: int, found: Certificate | None, *, on: datetime.date) -> dict[str, Any]:
    """Whether certificate `number` is valid on a day. An unknown number is answered too: `unknown`, not valid."""
    if found is None:
        empty = dict.fromkeys(("level", "standard", "holder", "entity", "issued_on", "expires_on"))
        reason = "No certificate carries this number."
        return {"number": number, "valid": False, "status": "unknown", **empty, "on": on.isoformat(), "reason": reason}
    record, status = found.record, found.status_on(on)
    return {
        "number": number,
        "valid": status is Status.VALID,
        "status": status.value,
        "level": record.level.value,
        "standard": plain(record.standard),
        "holder": record.member_name,
        "entity": plain(record.entity),
        "issued_on": record.issued_on.isoformat(),
        "expires_on": record.expires_on.isoformat(),
        "on": on.isoformat(),
        "reason": _REASONS[status].format(
            issued_on=found.history[0].since, expires_on=record.expires_on, since=_since(found, on)
        ),
    }


def _since(found: Certificate, on: datetime.date) -> datetime.date | None:
    """Since when it is in the state that it is in on that day."""
    return next(period.since for period in found.timeline if period.until is None or on <= period.until)
