"""Events of the membership service."""

import datetime

from touchstone_contracts.registry import detail, event
from touchstone_contracts.values import Party


@event(
    "membership.organisation_registered",
    version=1,
    subject="member_id",
    summary="An organisation was entered; it is not a member in good standing yet.",
    words="organisation {member_id} registered",
)
class OrganisationRegistered:
    member_id: str = detail("The organisation.", example="qatalum", public=True)
    legal_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    member_class: str = detail("PT, IU, CS, AS, DS or GS.", example="PT")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")


@event(
    "membership.membership_activated",
    version=1,
    subject="member_id",
    summary="An organisation became a member in good standing.",
    words="membership of {member_id} activated",
)
class MembershipActivated:
    member_id: str = detail("The organisation.", example="qatalum", public=True)
    legal_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    member_class: str = detail("PT, IU, CS, AS, DS or GS.", example="PT")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")
    joined_on: datetime.date = detail("First day of membership.", example="2020-03-01", public=True)
    first_certification_due_on: datetime.date | None = detail(
        "Two years after joining, for PT and IU; absent for the other classes.", example="2022-03-01", default=None
    )


@event(
    "membership.membership_suspended",
    version=1,
    subject="member_id",
    summary="A member lost its good standing for the time being.",
    words="membership of {member_id} suspended",
)
class MembershipSuspended:
    member_id: str = detail("The organisation.", example="qatalum", public=True)
    reasons: list[str] = detail("Why.", example=["Membership fee overdue for more than 60 days."], public=True)
    effective_on: datetime.date = detail("From which day.", example="2026-05-01", public=True)


@event(
    "membership.membership_reinstated",
    version=1,
    subject="member_id",
    summary="A suspended member is in good standing again.",
    words="membership of {member_id} reinstated",
)
class MembershipReinstated:
    member_id: str = detail("The organisation.", example="qatalum", public=True)
    effective_on: datetime.date = detail("From which day.", example="2026-06-01", public=True)


@event(
    "membership.organisation_recorded",
    version=1,
    subject="member_id",
    summary="An organisation and its membership as they are now.",
    words="organisation {member_id} recorded",
    record=True,
)
class OrganisationRecorded:
    member_id: str = detail("The organisation.", example="qatalum", public=True)
    legal_name: str = detail("Its registered name.", example="Qatar Aluminium Limited")
    member_class: str = detail("PT, IU, CS, AS, DS or GS.", example="PT")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")
    state: str = detail(
        "`registered` (no member yet), `active` or `suspended`. Only an active member is in good standing.",
        example="suspended",
        public=True,
    )
    effective_on: datetime.date = detail("From which day it is in that state.", example="2026-05-01", public=True)
    reasons: list[str] = detail(
        "Why it is suspended; empty in other states.",
        example=["Membership fee overdue for more than 60 days."],
        default=[],
        public=True,
    )
    joined_on: datetime.date | None = detail(
        "First day of membership; null before it.", example="2020-03-01", default=None, public=True
    )
    first_certification_due_on: datetime.date | None = detail(
        "Two years after joining, for PT and IU; null for the other classes.", example="2022-03-01", default=None
    )


@event(
    "membership.entity_registered",
    version=1,
    subject="entity_id",
    summary="A member named a business unit that seeks certification.",
    words="entity of {member_id} registered",
)
class EntityRegistered:
    entity_id: str = detail("The entity.", example="qatalum-mesaieed")
    member_id: str = detail("The member that owns or controls it.", example="qatalum", public=True)
    name: str = detail("Its name.", example="Qatalum, Mesaieed")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")
    activities: list[str] = detail("Supply chain activity codes.", example=["SML", "CST"])


@event(
    "membership.facility_registered",
    version=1,
    subject="facility_id",
    summary="A member named a facility of one of its entities.",
    words="facility of {member_id} registered",
)
class FacilityRegistered:
    facility_id: str = detail("The facility.", example="qatalum-1")
    entity_id: str = detail("The entity that it belongs to.", example="qatalum-mesaieed")
    member_id: str = detail("The member.", example="qatalum", public=True)
    name: str = detail("Its name.", example="Mesaieed smelter")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")
    activities: list[str] = detail("Supply chain activity codes.", example=["SML", "CST"])


@event(
    "membership.entity_recorded",
    version=1,
    subject="entity_id",
    summary="An entity as it is now.",
    words="entity of {member_id} recorded",
    record=True,
)
class EntityRecorded:
    entity_id: str = detail("The entity.", example="qatalum-mesaieed")
    member_id: str = detail("The member that owns or controls it.", example="qatalum", public=True)
    name: str = detail("Its name.", example="Qatalum, Mesaieed")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")
    activities: list[str] = detail("Supply chain activity codes.", example=["SML", "CST"])


@event(
    "membership.facility_recorded",
    version=1,
    subject="facility_id",
    summary="A facility as it is now.",
    words="facility of {member_id} recorded",
    record=True,
)
class FacilityRecorded:
    facility_id: str = detail("The facility.", example="qatalum-1")
    entity_id: str = detail("The entity that it belongs to.", example="qatalum-mesaieed")
    member_id: str = detail("The member.", example="qatalum", public=True)
    name: str = detail("Its name.", example="Mesaieed smelter")
    country: str = detail("ISO 3166-1 alpha-2 code.", example="QA")
    activities: list[str] = detail("Supply chain activity codes.", example=["SML", "CST"])


@event(
    "membership.contact_changed",
    version=1,
    subject="contact_id",
    summary="Who is to be told on behalf of a member, a body or the Secretariat, and how. "
    "The only event that carries an address.",
    words="contact {contact_id} changed",
    personal=True,
    record=True,
)
class ContactChanged:
    contact_id: str = detail("The person.", example="qatalum-sustainability", public=True)
    party: Party = detail("On whose behalf.", example={"kind": "member", "id": "qatalum"}, public=True)
    name: str = detail("The person's name.", example="A. Person")
    address: str = detail("E-mail address.", example="person@example.org")
    roles: list[str] = detail("What the person answers for.", example=["certification"])
    language: str = detail("BCP 47 language of notices.", example="en")
    channels: list[str] = detail("How to reach them; `email`.", example=["email"])
    active: bool = detail("False when the person is no longer to be told.", example=True, default=True)


@event(
    "membership.obligations_published",
    version=1,
    subject="publication_id",
    summary="What the classes of membership oblige to was published: from its first day on, until the next version's.",
    words="obligations {version} published, effective from {effective_from}",
    record=True,
)
class ObligationsPublished:
    publication_id: str = detail("The id and version of the obligations.", example="obligations/2")
    version: int = detail("Their version; never changed once published.", example=2, public=True)
    effective_from: datetime.date = detail("First day (UTC) on which they apply.", example="2027-01-01", public=True)
    title: str = detail("Their title.", example="What the class of a membership obliges to", public=True)
    hash: str = detail("SHA-256 of `content`, as UTF-8.", example="sha256:9f86d081", public=True)
    content: str = detail(
        "The obligations whole: their canonical JSON, with the source and the confidence of every value.",
        example='{"effective_from":"2027-01-01","id":"obligations","kind":"obligations","version":2}',
    )
    published_by: str = detail("Who published them.", example="secretariat-1", public=True)
