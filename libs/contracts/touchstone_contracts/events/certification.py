"""Events of the certification service."""

import datetime

from touchstone_contracts.registry import detail, event, value
from touchstone_contracts.values import Level, Place, Reason, Scope, Standard, StatusPeriod

_PLACE = {"id": "qatalum-mesaieed", "name": "Qatalum, Mesaieed", "country": "QA"}
_STANDARD = {"code": "PS", "version": "3.0"}
_SCOPE = {
    "type": "facility",
    "text": "Smelter and casthouse at Mesaieed",
    "activities": ["SML", "CST"],
    "facilities": [{"id": "qatalum-1", "name": "Mesaieed smelter", "country": "QA"}],
}


@event(
    "certification.certificate_issued",
    version=1,
    subject="certificate_id",
    summary="A certificate was issued and entered in the register.",
    words="certificate {number} issued ({level}), decided by {decided_by}",
)
class CertificateIssued:
    certificate_id: str = detail("The certificate.", example="certificate-195")
    number: int = detail("Its number; never used again.", example=195, public=True)
    level: Level = detail("Full or provisional.", example="full", public=True)
    standard: Standard = detail("What it certifies.", example=_STANDARD)
    audit_id: str = detail("The audit that it rests on.", example="aud-7f3a", public=True)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    entity: Place = detail("The certified entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    scope_text: str = detail("The certification scope in words.", example="Smelter and casthouse at Mesaieed")
    issued_on: datetime.date = detail("First day of validity.", example="2022-04-11", public=True)
    expires_on: datetime.date = detail("Last day of validity.", example="2025-04-10", public=True)
    certified_since: datetime.date = detail("First day of unbroken certification.", example="2022-04-11")
    decided_by: str = detail(
        "A person, or `rule set N, mandated by P`.", example="rule set 1, mandated by secretariat-1", public=True
    )
    notify: bool = detail("Whether stakeholders are to be told.", example=True, default=True, public=True)


@event(
    "certification.certification_refused",
    version=1,
    subject="case_id",
    summary="Certification was refused; the reasons are told to the member.",
    words="certification refused, decided by {decided_by}: {reasons}",
)
class CertificationRefused:
    case_id: str = detail("The case; one for each audit.", example="aud-7f3a")
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    standard: Standard = detail("What was audited against.", example=_STANDARD)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    entity: Place = detail("The entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    reasons: list[Reason] = detail(
        "Why; never empty.",
        example=[{"rule": "2a", "code": "too_many_majors", "text": "Four major non-conformities."}],
        public=True,
    )
    decided_on: datetime.date = detail("Date of the decision.", example="2026-03-05", public=True)
    decided_by: str = detail(
        "A person, or `rule set N, mandated by P`.", example="rule set 1, mandated by secretariat-1", public=True
    )
    notify: bool = detail("Whether stakeholders are to be told.", example=True, default=True, public=True)


@event(
    "certification.certification_held",
    version=1,
    subject="case_id",
    summary="A decision waits for something that is missing.",
    words="decision held: {reasons}",
)
class CertificationHeld:
    case_id: str = detail("The case; one for each audit.", example="aud-7f3a")
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    standard: Standard = detail("What was audited against.", example=_STANDARD)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    entity: Place = detail("The entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    reasons: list[Reason] = detail(
        "What is missing; never empty.",
        example=[{"rule": "5b", "code": "plan_not_approved", "text": "9.1 has no approved plan."}],
        public=True,
    )
    until: datetime.date | None = detail(
        "When the case is refused if nothing happens.", example="2026-04-05", default=None, public=True
    )
    notify: bool = detail("Whether stakeholders are to be told.", example=True, default=True, public=True)


@event(
    "certification.certificate_expired",
    version=1,
    subject="certificate_id",
    summary="A certificate's last day of validity has passed.",
    words="certificate {number} expired",
)
class CertificateExpired:
    certificate_id: str = detail("The certificate.", example="certificate-195")
    number: int = detail("Its number.", example=195, public=True)
    level: Level = detail("Full or provisional.", example="full", public=True)
    standard: Standard = detail("What it certified.", example=_STANDARD)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    entity: Place = detail("The entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    expired_on: datetime.date = detail("Last day of validity.", example="2025-04-10", public=True)
    notify: bool = detail("Whether stakeholders are to be told.", example=True, default=True, public=True)


@value
class _Change:
    """What every event about a change of a certificate says; the certificate is as it is after the change."""

    certificate_id: str = detail("The certificate.", example="certificate-195")
    number: int = detail("Its number.", example=195, public=True)
    certificate_version: int = detail("Counts the issues under this number.", example=1, public=True)
    level: Level = detail("Full or provisional.", example="full", public=True)
    standard: Standard = detail("What it certifies.", example=_STANDARD)
    audit_id: str = detail("The audit that led to it.", example="aud-8c41", public=True)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    entity: Place = detail("The certified entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    scope_text: str = detail("The certification scope in words.", example="Smelter and casthouse at Mesaieed")
    reasons: list[Reason] = detail(
        "Why; never empty.",
        example=[{"rule": "8", "code": "no_nonconformity", "text": "All 62 rated criteria conform."}],
        public=True,
    )
    effective_on: datetime.date = detail("First day on which it is so.", example="2023-05-02", public=True)
    expires_on: datetime.date = detail("Last day of validity.", example="2025-04-10", public=True)
    decided_by: str = detail(
        "A person, or `rule set N, mandated by P`.", example="rule set 2, mandated by secretariat-1", public=True
    )
    notify: bool = detail("Whether stakeholders are to be told.", example=True, default=True, public=True)


@event(
    "certification.certificate_maintained",
    version=1,
    subject="certificate_id",
    summary="An audit found nothing that stands against a certificate: it goes on as it is.",
    words="certificate {number} maintained, decided by {decided_by}",
)
class CertificateMaintained(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_upgraded",
    version=1,
    subject="certificate_id",
    summary="A provisional certificate has become a full one.",
    words="certificate {number} upgraded to {level}, decided by {decided_by}",
)
class CertificateUpgraded(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_downgraded",
    version=1,
    subject="certificate_id",
    summary="A full certificate has become provisional.",
    words="certificate {number} downgraded to {level}, decided by {decided_by}: {reasons}",
)
class CertificateDowngraded(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_suspended",
    version=1,
    subject="certificate_id",
    summary="A certificate is suspended: nothing may be claimed by it until it is reinstated.",
    words="certificate {number} suspended, decided by {decided_by}: {reasons}",
)
class CertificateSuspended(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_withdrawn",
    version=1,
    subject="certificate_id",
    summary="A certificate was withdrawn, for good.",
    words="certificate {number} withdrawn, decided by {decided_by}: {reasons}",
)
class CertificateWithdrawn(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_renewed",
    version=1,
    subject="certificate_id",
    summary="A certificate was renewed: under its number it has a new version.",
    words="certificate {number} renewed ({level}), decided by {decided_by}",
)
class CertificateRenewed(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_scope_amended",
    version=1,
    subject="certificate_id",
    summary="The scope of a certificate was changed.",
    words="scope of certificate {number} amended, decided by {decided_by}",
)
class CertificateScopeAmended(_Change):
    """See `_Change`."""


@event(
    "certification.certificate_recorded",
    version=1,
    subject="certificate_id",
    summary="A certificate as it is on record now, and what it was, is and will be on each day.",
    words="certificate {number} recorded",
    record=True,
)
class CertificateRecorded:
    certificate_id: str = detail("The certificate.", example="certificate-195")
    number: int = detail("Its number; never used again.", example=195, public=True)
    certificate_version: int = detail("Counts the issues under this number.", example=1, public=True)
    level: Level = detail("Full or provisional.", example="full", public=True)
    standard: Standard = detail("What it certifies.", example=_STANDARD)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str = detail("Its registered name when it was issued.", example="Qatar Aluminium Limited")
    entity: Place = detail("The certified entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    scope: Scope = detail("What exactly is certified.", example=_SCOPE)
    audit_id: str = detail("The audit that it rests on.", example="aud-7f3a", public=True)
    issued_on: datetime.date = detail("First day of validity.", example="2022-04-11", public=True)
    expires_on: datetime.date = detail("Last day of validity.", example="2025-04-10", public=True)
    certified_since: datetime.date = detail("First day of unbroken certification.", example="2022-04-11")
    decided_by: str = detail(
        "A person, or `rule set N, mandated by P`.", example="rule set 1, mandated by secretariat-1", public=True
    )
    decided_at: datetime.datetime = detail("When the decision was recorded.", example="2022-04-11T09:00:00+00:00")
    rule_set: int = detail("Which rule set decided.", example=1)
    row: str = detail("Which row of its decision table.", example="7")
    source: str | None = detail(
        "Where an imported one was published; null for all others.",
        example="ASI summary audit report, certificate 195 PS",
        default=None,
    )
    timeline: list[StatusPeriod] = detail(
        "Its states from first to last, what is to come included. Each day is in exactly one: look it up and compute "
        "nothing. What happens later comes with a record of its own, which may say otherwise of days to come.",
        example=[
            {"since": None, "until": "2022-04-10", "state": "not_yet_issued", "cause": None},
            {"since": "2022-04-11", "until": "2025-04-10", "state": "valid", "cause": "issued"},
            {"since": "2025-04-11", "until": None, "state": "expired", "cause": "end_date_reached"},
        ],
    )


@event(
    "certification.case_recorded",
    version=1,
    subject="case_id",
    summary="A case as it is now: what it waits for, or what was decided.",
    words="case recorded: {state}",
    record=True,
)
class CaseRecorded:
    case_id: str = detail("The case; one for each audit.", example="aud-7f3a")
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    state: str = detail(
        "`awaiting_member` (nothing is known of it yet), `awaiting_decision` (of a person), `held` or `decided`.",
        example="decided",
        public=True,
    )
    since: datetime.datetime = detail("Since when it is in that state.", example="2026-03-05T09:00:00+00:00")
    opened_at: datetime.datetime = detail("When it was opened.", example="2026-03-02T09:00:00+00:00")
    standard: Standard = detail("What was audited against.", example=_STANDARD)
    member_id: str = detail("The member.", example="qatalum", public=True)
    member_name: str | None = detail(
        "Its registered name; null while nothing is known of it.", example="Qatar Aluminium Limited", default=None
    )
    entity: Place = detail("The entity.", example=_PLACE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    scope: Scope = detail("What was audited.", example=_SCOPE)
    reasons: list[Reason] = detail(
        "Why it is held, or why it was decided so.",
        example=[{"rule": "2a", "code": "too_many_majors", "text": "Four major non-conformities."}],
        default=[],
        public=True,
    )
    until: datetime.date | None = detail(
        "When a held case is refused if nothing happens.", example="2026-04-05", default=None, public=True
    )
    outcome: str | None = detail(
        "`full`, `provisional`, `refused`, `maintained`, `downgraded`, `suspended`, `withdrawn` or `scope_changed`; "
        "null until it is decided.",
        example="refused",
        default=None,
        public=True,
    )
    decided_on: datetime.date | None = detail("Date of the decision.", example="2026-03-05", default=None, public=True)
    decided_at: datetime.datetime | None = detail(
        "When the decision was recorded.", example="2026-03-05T09:00:00+00:00", default=None
    )
    decided_by: str | None = detail(
        "A person, or `rule set N, mandated by P`.",
        example="rule set 1, mandated by secretariat-1",
        default=None,
        public=True,
    )
    rule_set: int | None = detail("Which rule set decided.", example=1, default=None)
    row: str | None = detail("Which row of its decision table.", example="2a", default=None)
    certificate_number: int | None = detail(
        "The certificate that it led to; null where it led to none.", example=195, default=None, public=True
    )


@event(
    "certification.rule_set_published",
    version=1,
    subject="publication_id",
    summary="A rule set was published: by it cases are decided from its first day on, until the next one's.",
    words="rule set {version} published, effective from {effective_from}",
    record=True,
)
class RuleSetPublished:
    publication_id: str = detail("The rule set's id and version.", example="decision-table/2")
    rule_set_id: str = detail(
        "Its id; there is one decision table, in versions.", example="decision-table", public=True
    )
    version: int = detail("Its version; never changed once published.", example=2, public=True)
    effective_from: datetime.date = detail("First day (UTC) that it decides on.", example="2027-01-01", public=True)
    title: str = detail("Its title.", example="Decisions on initial certification audits", public=True)
    hash: str = detail(
        "SHA-256 of `content`, as UTF-8.",
        example="sha256:01db4861bf0ec23bc7480e5d6f97e125a768b24e26131448d27155ea2779de08",
        public=True,
    )
    content: str = detail(
        "The rule set whole: its canonical JSON, with the source and the confidence of every value.",
        example='{"effective_from":"2027-01-01","id":"decision-table","kind":"rule_set","version":2}',
    )
    published_by: str = detail("Who published it.", example="secretariat-1", public=True)
