"""Builders that certification's tests share."""

import datetime
from typing import Any

import pytest

from certification.application.translation import audit_of
from certification.domain.audits import Audit
from certification.domain.certificates.record import CertificateRecord
from certification.domain.members import Member, MembershipStatus, Profile
from certification.domain.rules.facts import Surroundings
from touchstone_contracts.events.assessment import AuditAccepted, CorrectiveActionPlanReviewed
from touchstone_contracts.events.membership import OrganisationRecorded
from touchstone_contracts.values import (
    AuditType,
    Level,
    Nonconformity,
    Place,
    PlanState,
    Rating,
    Scope,
    Standard,
)

NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
MAJOR, MINOR, CRITICAL = Rating.MAJOR_NONCONFORMITY, Rating.MINOR_NONCONFORMITY, Rating.CRITICAL_BREACH


class Build:
    """Makes what a test needs; everything has a default that leads to a full certificate."""

    noon = NOON
    major, minor, critical = MAJOR, MINOR, CRITICAL

    def finding(
        self,
        criterion: str = "9.1",
        rating: Rating = MINOR,
        plan: PlanState = PlanState.APPROVED,
        due_on: datetime.date | None = datetime.date(2026, 12, 31),
    ) -> Nonconformity:
        return Nonconformity(criterion=criterion, rating=rating, plan_state=plan, plan_due_on=due_on)

    def findings(self, count: int, rating: Rating, plan: PlanState = PlanState.APPROVED) -> list[Nonconformity]:
        return [self.finding(f"{n}.1", rating, plan) for n in range(1, count + 1)]

    def accepted(self, findings: list[Nonconformity] | tuple = (), **changed: Any) -> AuditAccepted:
        ratings = {"conformance": 62 - len(findings)}
        for one in findings:
            ratings[one.rating.value] = ratings.get(one.rating.value, 0) + 1
        plant = Place(id="smelter-1", name="Smelter", country="NO")
        fields = {
            "audit_id": "body.r-1",
            "report_id": "R-1",
            "report_hash": "sha256:9f86d081",
            "audit_type": AuditType.INITIAL,
            "standard": Standard(code="PS", version="3.0"),
            "standard_open_from": datetime.date(2022, 5, 1),
            "standard_open_until": None,
            "member_id": "smelter",
            "entity": Place(id="smelter-works", name="Smelter works", country="NO"),
            "scope": Scope(type="facility", text="Smelter", activities=["SML"], facilities=[plant]),
            "body_id": "body",
            "body_name": "Body Ltd",
            "team": ["auditor-1", "auditor-2"],
            "submitted_by": "body-reports",
            "accepted_by": "secretariat-1",
            "audited_from": datetime.date(2026, 10, 12),
            "audited_until": datetime.date(2026, 10, 16),
            "submitted_at": NOON,
            "accepted_at": NOON,
            "ratings": ratings,
            "nonconformities": list(findings),
            "history": None,
        }
        return AuditAccepted(**(fields | changed))

    def place(self, id: str) -> Place:
        return Place(id=id, name=id, country="NO")

    def audit(self, findings: list[Nonconformity] | tuple = (), **changed: Any) -> Audit:
        return audit_of(self.accepted(findings, **changed))

    def recorded(self, **changed: Any) -> OrganisationRecorded:
        """The record of an active member, but for what is changed."""
        joined_on = changed.get("joined_on", datetime.date(2025, 6, 1))
        fields = {
            "member_id": "smelter",
            "legal_name": "Smelter AS",
            "member_class": "PT",
            "country": "NO",
            "state": "active",
            "effective_on": joined_on,
            "joined_on": joined_on,
        }
        return OrganisationRecorded(**(fields | changed))

    def suspended(self, on: datetime.date = datetime.date(2026, 11, 1), **changed: Any) -> OrganisationRecorded:
        return self.recorded(state="suspended", effective_on=on, reasons=["Fee overdue."], **changed)

    def reinstated(self, on: datetime.date = datetime.date(2026, 11, 15)) -> OrganisationRecorded:
        return self.recorded(effective_on=on)

    def review(
        self, criterion: str = "9.1", state: PlanState = PlanState.APPROVED, due_on: datetime.date | None = None
    ) -> CorrectiveActionPlanReviewed:
        return CorrectiveActionPlanReviewed(
            audit_id="body.r-1", criterion=criterion, plan_state=state, plan_due_on=due_on, reviewed_at=NOON
        )

    def surroundings(self, **changed: Any) -> Surroundings:
        profile = Profile(member_id="smelter", legal_name="Smelter AS")
        status = MembershipStatus(member_id="smelter", good=True, effective_on=datetime.date(2025, 6, 1))
        return Surroundings(**({"member": Member(profile=profile, status=status)} | changed))

    def record(self, **changed: Any) -> CertificateRecord:
        audit = self.audit()
        fields = {
            "number": 10_001,
            "level": Level.FULL,
            "standard": audit.standard,
            "member_id": audit.member_id,
            "member_name": "Smelter AS",
            "entity": audit.entity,
            "body_id": audit.body_id,
            "body_name": audit.body_name,
            "scope": audit.scope,
            "audit_id": audit.audit_id,
            "issued_on": datetime.date(2026, 11, 22),
            "expires_on": datetime.date(2029, 11, 21),
            "certified_since": datetime.date(2026, 11, 22),
            "rule_set": 1,
            "row": "7",
            "decided_by": "secretariat-1",
            "decided_at": NOON,
        }
        return CertificateRecord(**(fields | changed))


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()
