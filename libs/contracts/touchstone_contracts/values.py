"""Values that several events hold."""

import datetime
import enum

from touchstone_contracts.registry import detail, value


class Level(enum.Enum):
    """Certification level, as printed on a certificate."""

    FULL = "full"
    PROVISIONAL = "provisional"


class Rating(enum.Enum):
    """Conformity rating of one criterion."""

    CONFORMANCE = "conformance"
    MINOR_NONCONFORMITY = "minor_nonconformity"
    MAJOR_NONCONFORMITY = "major_nonconformity"
    CRITICAL_BREACH = "critical_breach"
    NOT_APPLICABLE = "not_applicable"


class PlanState(enum.Enum):
    """Where the corrective action plan of a non-conformity stands."""

    NONE = "none"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


class AuditType(enum.Enum):
    INITIAL = "initial"
    SURVEILLANCE = "surveillance"
    RECERTIFICATION = "recertification"
    SCOPE_CHANGE = "scope_change"
    PROVISIONAL_FOLLOWUP = "provisional_followup"
    SPECIAL = "special"


class PartyKind(enum.Enum):
    """On whose behalf a contact is told: a member organisation, a certification body or the scheme's Secretariat."""

    MEMBER = "member"
    BODY = "body"
    SECRETARIAT = "secretariat"


class CertificateState(enum.Enum):
    """What a certificate is on a day. `provisional`: in force, at that level; each other word is about the whole."""

    NOT_YET_ISSUED = "not_yet_issued"
    VALID = "valid"
    PROVISIONAL = "provisional"
    INTENT_TO_SUSPEND = "intent_to_suspend"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    SURRENDERED = "surrendered"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


@value
class Standard:
    code: str = detail("PS (Performance Standard) or COC (Chain of Custody Standard).", example="PS")
    version: str = detail("Version of the standard.", example="3.0")


@value
class Party:
    kind: PartyKind = detail("Member, body or Secretariat.", example="member")
    id: str = detail("The organisation's or body's id; `secretariat` for the Secretariat.", example="qatalum")


@value
class Place:
    """A certifying entity or one of its facilities."""

    id: str = detail("Its id.", example="qatalum-mesaieed")
    name: str = detail("Its name.", example="Qatalum, Mesaieed")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")


@value
class Scope:
    """What is certified."""

    type: str = detail("business, facility or product_program.", example="facility")
    text: str = detail("The certification scope in words, as on the certificate.", example="Smelter and casthouse")
    activities: list[str] = detail("Supply chain activity codes.", example=["SML", "CST"])
    facilities: list[Place] = detail(
        "Facilities in scope.", example=[{"id": "qatalum-1", "name": "Mesaieed", "country": "QA"}], default=[]
    )


@value
class Nonconformity:
    criterion: str = detail("Criterion code.", example="9.1")
    rating: Rating = detail("Minor, major or critical.", example="minor_nonconformity")
    plan_state: PlanState = detail("State of its corrective action plan.", example="approved")
    plan_due_on: datetime.date | None = detail("By when a plan must be approved.", example="2026-02-15", default=None)


@value
class Problem:
    """One thing that is wrong with what was submitted."""

    path: str = detail("Where, as in `findings[3].rating`.", example="findings[3].rating")
    code: str = detail("A code for programs.", example="unknown_rating")
    message: str = detail("A sentence for people.", example="'good' is not a rating.")


@value
class PinnedMember:
    """A member as it was known when an audit of it was accepted."""

    legal_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    member_class: str = detail("PT, IU, CS, AS, DS or GS.", example="PT")
    state: str = detail("`registered`, `active` or `suspended`; only `active` is good standing.", example="active")
    effective_on: datetime.date = detail("From which day it was in that state.", example="2020-03-01")
    sequence: int = detail("Which record of the organisation said so.", example=2)


@value
class ReliedOn:
    """A fact that a decision relied on: which word of its owner's it was."""

    kind: str = detail("`body`, `entity` or `facility`.", example="facility")
    id: str = detail("Its id.", example="qatalum-1")
    sequence: int = detail("The sequence of the record that was known.", example=1)


@value
class WaitsFor:
    """What something waits for: the one form of it."""

    what: str = detail("What is missing.", example="facility qatalum-9 is not known yet")
    who: str = detail("Whose word or act it is.", example="membership")
    since: datetime.datetime = detail("Since when.", example="2026-03-01T09:00:00+00:00")
    target: str = detail("Where it is named: the path in what was handed in.", example="scope.facilities[0].id")


@value
class Reason:
    """Why a case was decided as it was."""

    rule: str = detail("Row of the decision table, or the guard, that applied.", example="2a")
    code: str = detail("A code for programs.", example="too_many_majors")
    text: str = detail("A sentence for people.", example="Four major non-conformities; at most three are allowed.")


@value
class StatusPeriod:
    """One entry of a certificate's status timeline."""

    since: datetime.date | None = detail("First day; null where it has none.", example="2022-04-11", default=None)
    until: datetime.date | None = detail(
        "Last day, as far as it is known; null where it has none.", example="2025-04-10", default=None
    )
    state: CertificateState = detail("What the certificate is on these days.", example="valid")
    cause: str | None = detail(
        "What began it, a code for programs: `issued`, `end_date_reached`; null where nothing did.",
        example="issued",
        default=None,
    )


@value
class History:
    """What is known of a certificate that was issued before this register kept records."""

    issued_on: datetime.date = detail("Date of issue as published.", example="2022-04-11")
    number: int | None = detail("Certificate number as published.", example=195, default=None)
    certified_since: datetime.date | None = detail("As published.", example="2022-04-11", default=None)
    source: str = detail("Where it was published.", example="ASI summary audit report, certificate 195 PS")
    notify: bool = detail("Whether stakeholders are told of this import.", example=False, default=False)


@value
class StandardCriterion:
    """A criterion by code and short title: the standard's text is its owner's."""

    code: str = detail("Its code.", example="1.1")
    title: str = detail("Its short title; empty where it is not known.", example="Legal Compliance")
