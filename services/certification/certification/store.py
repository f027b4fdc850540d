"""Cases, certificates, mandates and what is known of members and plans, in the service's database."""

import datetime
from collections.abc import Mapping
from typing import Any

from certification.documents import (
    case_document,
    case_of,
    certificate_document,
    certificate_of,
    iso,
    mandate_document,
    mandate_of,
    review_of,
)
from certification.domain.audit import Audit, PlanReview, standard_name
from certification.domain.cases import Case, CaseState
from certification.domain.certificates import (
    Certificate,
    CertificateRecord,
    Status,
    UnsoundCertificate,
    certificate_id,
    scope_key,
)
from certification.domain.mandates import Mandate
from certification.domain.members import Member, Profile, Standing
from touchstone_contracts.values import Scope

WAITING = [CaseState.AWAITING_MEMBER.value, CaseState.AWAITING_DECISION.value, CaseState.HELD.value]
_SEQUENCE = "certificates"


class Cases:
    """Certification cases, by the audit's id."""

    def __init__(self, unit: Any):
        self._unit = unit

    def get(self, case_id: str) -> Case | None:
        document = self._unit.find_one("cases", {"_id": case_id})
        return case_of(document) if document else None

    def save(self, case: Case, events: list[Any]) -> None:
        self._unit.save("cases", case_document(case), events)

    def listed(self, filter: Mapping[str, Any], *, after: str | None, limit: int) -> list[Case]:
        """Cases by id, from the one after `after`. `filter` compares state, member_id or body_id."""
        beyond = {"_id": {"$gt": after}} if after else {}
        return [case_of(d) for d in self._unit.find("cases", {**filter, **beyond}, sort=[("_id", 1)], limit=limit)]

    def unfinished(self, *, id: str | None, after: str | None, limit: int) -> list[Case]:
        """Undecided cases by id, from the one after `after`; or the one with that `id`."""
        filter: dict[str, Any] = {"state": {"$in": WAITING}}
        return self.listed(filter | ({"_id": id} if id else {}), after=None if id else after, limit=limit)

    def has_others(self, case: Case) -> bool:
        """Whether there is another case of the same entity."""
        found = self._unit.find("cases", {"entity_id": case.audit.entity.id}, limit=2, projection={"_id": 1})
        return any(document["_id"] != case.id for document in found)

    def waiting(self, filter: Mapping[str, Any], *, after: str, limit: int) -> list[tuple[str, str]]:
        """Ids and correlation ids of undecided cases, by id.

        `filter` compares member_id, entity_id, or standard (a name such as `PS 3.0`).
        """
        found = self._unit.find(
            "cases",
            {**filter, "state": {"$in": WAITING}, "_id": {"$gt": after}},
            sort=[("_id", 1)],
            limit=limit,
            projection={"_id": 1, "correlation_id": 1},
        )
        return [(document["_id"], document["correlation_id"]) for document in found]


class Certificates:
    """The register."""

    def __init__(self, unit: Any):
        self._unit = unit

    def by_number(self, number: int) -> Certificate | None:
        return self._one({"number": number})

    def by_id(self, id: str) -> Certificate | None:
        return self._one({"_id": id})

    def held(self, entity_id: str, standard_code: str, scope: Scope) -> Certificate | None:
        """The open certificate for this entity, standard and scope; it may have lapsed by date since."""
        key = {"entity_id": entity_id, "standard_code": standard_code, "scope_key": scope_key(scope)}
        return self._one({**key, "open": True})

    def has_valid(self, entity_id: str, standard_code: str, day: datetime.date) -> bool:
        on = day.isoformat()
        key = {"entity_id": entity_id, "standard_code": standard_code}
        valid = {"expires_on": {"$gte": on}, "issued_on": {"$lte": on}}
        return self._unit.find_one("certificates", {**key, **valid}, {"_id": 1}) is not None

    def next_number(self, *, first: int) -> int:
        return self._unit.next_number(_SEQUENCE, first=first)

    def reserve_number(self, number: int, *, first: int) -> None:
        self._unit.reserve_number(_SEQUENCE, number, first=first)

    def enter(self, certificate: Certificate, planned: CertificateRecord, events: list[Any]) -> None:
        """Enter a new certificate, once what would be read back equals what was planned; else UnsoundCertificate."""
        document = certificate_document(certificate)
        if certificate_of(document).record != planned or certificate.id != certificate_id(planned.number):
            raise UnsoundCertificate(f"certificate {planned.number} is not what was planned")
        self._unit.save("certificates", document, events)

    def save(self, certificate: Certificate, events: list[Any]) -> None:
        self._unit.save("certificates", certificate_document(certificate), events)

    def listed(
        self,
        *,
        today: datetime.date,
        member_id: str | None,
        standard_code: str | None,
        status: Status | None,
        after: int,
        limit: int,
    ) -> list[Certificate]:
        """Certificates by number, from the one after `after`."""
        named = {"member_id": member_id, "standard_code": standard_code}
        filter = {name: value for name, value in named.items() if value is not None} | {"number": {"$gt": after}}
        found = {
            document["number"]: document
            for part in _parts_of(status, today)
            for document in self._unit.find("certificates", filter | part, sort=[("number", 1)], limit=limit)
        }
        return [certificate_of(found[number]) for number in sorted(found)[:limit]]

    def _one(self, filter: Mapping[str, Any]) -> Certificate | None:
        document = self._unit.find_one("certificates", filter)
        return certificate_of(document) if document else None


class Members:
    """What membership said of members: the newest word of each kind."""

    def __init__(self, unit: Any):
        self._unit = unit

    def get(self, member_id: str) -> Member | None:
        """The member, if its membership was ever activated as far as is known here."""
        standing = self._unit.find_one("member_standings", {"_id": member_id})
        named = standing and (standing if "legal_name" in standing else self._profile(member_id))
        if not standing or not named:
            return None
        effective_on = datetime.date.fromisoformat(standing["effective_on"])
        return Member(
            profile=Profile(member_id=member_id, legal_name=named["legal_name"]),
            standing=Standing(member_id=member_id, good=standing["good"], effective_on=effective_on),
        )

    def keep_activation(self, profile: Profile, standing: Standing, sequence: int) -> None:
        """Both come with one word of the member's. While no later one is kept, its name is read with the standing."""
        name = {"legal_name": profile.legal_name}
        self._unit.upsert_read_model("member_profiles", {"_id": profile.member_id, "sequence": sequence, **name})
        self._keep_standing(standing, sequence, name)

    def keep_standing(self, standing: Standing, sequence: int) -> None:
        self._keep_standing(standing, sequence, {})

    def _keep_standing(self, standing: Standing, sequence: int, name: dict[str, str]) -> None:
        state = {"good": standing.good, "effective_on": standing.effective_on.isoformat(), **name}
        self._unit.upsert_read_model("member_standings", {"_id": standing.member_id, "sequence": sequence, **state})

    def _profile(self, member_id: str) -> dict[str, Any] | None:
        profile: dict[str, Any] | None = self._unit.find_one("member_profiles", {"_id": member_id})
        return profile


class PlanReviews:
    """The newest word on each corrective action plan; it may come before its case."""

    def __init__(self, unit: Any):
        self._unit = unit

    def of_audit(self, audit_id: str) -> tuple[PlanReview, ...]:
        return tuple(review_of(d) for d in self._unit.find("plan_reviews", {"audit_id": audit_id}))

    def keep(self, review: PlanReview, sequence: int) -> None:
        document = {
            "_id": f"{review.audit_id}/{review.criterion}",
            "sequence": sequence,
            "audit_id": review.audit_id,
            "criterion": review.criterion,
            "plan_state": review.plan_state.value,
            "plan_due_on": iso(review.plan_due_on),
        }
        self._unit.upsert_read_model("plan_reviews", document)


class Mandates:
    """What the Secretariat signed."""

    def __init__(self, unit: Any):
        self._unit = unit

    def get(self, mandate_id: str) -> Mandate | None:
        document = self._unit.find_one("mandates", {"_id": mandate_id})
        return mandate_of(document) if document else None

    def unexpired(self, audit: Audit, *, rule_set: int, day: datetime.date) -> tuple[Mandate, ...]:
        """Those for such audits that are in force on that day or come into force later."""
        filter = {
            "standards": standard_name(audit.standard),
            "rule_set": rule_set,
            "valid_until": {"$gte": day.isoformat()},
        }
        return tuple(mandate_of(document) for document in self._unit.find("mandates", filter))

    def add(self, mandate: Mandate) -> None:
        self._unit.save("mandates", mandate_document(mandate))


def _parts_of(status: Status | None, today: datetime.date) -> list[dict[str, Any]]:
    """Filters that together find what has this status, none of which reads past all that expired before.

    The day decides; `open` only follows it, minutes later: what has expired is closed, or is one of the few that are
    about to be.
    """
    on = today.isoformat()
    if status is Status.VALID:
        return [{"open": True, "issued_on": {"$lte": on}, "expires_on": {"$gte": on}}]
    if status is Status.EXPIRED:
        # In this order, what is closed in between is found twice and not missed.
        return [{"open": is_open, "expires_on": {"$lt": on}} for is_open in (True, False)]
    return [{"issued_on": {"$gt": on}} if status is Status.NOT_YET_VALID else {"open": {"$in": [False, True]}}]
