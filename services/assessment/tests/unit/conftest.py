"""Builders, and an office: the service on the database in memory."""

import copy
import dataclasses
import datetime
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from assessment.data.catalogue import load_catalogue
from assessment.data.recommendations import RECOMMENDATIONS_1
from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.domain.register import Entity, Facility, Member, Register
from assessment.domain.report_checks.checklist import faults as content_faults
from assessment.domain.report_checks.facts import Facts
from assessment.schemas.report_parsing import parse_report
from assessment.service import AssessmentService
from assessment.storage.register import RegisterCopies
from assessment.storage.standards import CatalogueCache
from touchstone_contracts.bookkeeping import OUTBOX
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.errors import FieldError
from touchstone_contracts.events.membership import EntityRecorded, FacilityRecorded, OrganisationRecorded
from touchstone_contracts.reference import published
from touchstone_contracts.roles import ASSESSOR, REGISTRAR, SECRETARIAT
from touchstone_testing.memory_service import MemoryService, done_with, handlers_by_subject

NOW = datetime.datetime(2026, 11, 2, 9, tzinfo=datetime.UTC)
CATALOGUE = load_catalogue()
CATALOGUES = CatalogueCache()
"""Of all offices: a catalogue is known by the hashes of what is in it."""
ACTIVITIES = ("SML", "CST")
RECORDS = (
    OrganisationRecorded(
        member_id="qatalum",
        legal_name="Qatar Aluminium Limited",
        member_class="PT",
        country="QA",
        state="active",
        effective_on=datetime.date(2020, 3, 1),
    ),
    EntityRecorded(
        entity_id="qatalum-mesaieed",
        member_id="qatalum",
        name="Qatalum, Mesaieed",
        country="QA",
        activities=list(ACTIVITIES),
    ),
    FacilityRecorded(
        facility_id="qatalum-1",
        entity_id="qatalum-mesaieed",
        member_id="qatalum",
        name="Mesaieed smelter",
        country="QA",
        activities=list(ACTIVITIES),
    ),
)
"""What membership has told of the report's member and sites."""
REGISTER = Register(
    members={
        "qatalum": Member(
            id="qatalum",
            legal_name="Qatar Aluminium Limited",
            member_class="PT",
            state="active",
            effective_on=datetime.date(2020, 3, 1),
            sequence=1,
        )
    },
    entities={
        "qatalum-mesaieed": Entity(
            id="qatalum-mesaieed",
            member_id="qatalum",
            name="Qatalum, Mesaieed",
            country="QA",
            activities=ACTIVITIES,
            sequence=1,
        )
    },
    facilities={
        "qatalum-1": Facility(
            id="qatalum-1",
            entity_id="qatalum-mesaieed",
            member_id="qatalum",
            name="Mesaieed smelter",
            country="QA",
            activities=ACTIVITIES,
            sequence=1,
        )
    },
)
STATEMENTS = (
    "information_true",
    "findings_evidence_based",
    "scope_and_method_sufficient",
    "confidential_and_impartial",
)


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def a_grant(**changes: Any) -> Grant:
    plain: dict[str, Any] = {
        "standards": ("PS", "COC"),
        "countries": ("QA", "DE"),
        "activities": ("SML", "CST", "OMS", "MCV"),
        "valid_from": day("2018-01-01"),
        "valid_until": day("2030-12-31"),
    }
    return Grant(**plain | changes)


def build_report(*, version: str = "3.0", activities: Sequence[str] = ("SML", "CST"), **changes: Any) -> dict[str, Any]:
    """A report with nothing wrong in it: every applicable criterion conforms."""
    standard = CATALOGUE.find("PS", version)
    assert standard is not None
    report = {
        "report_id": "R-1",
        "body_id": "dnv",
        "audit_type": "initial",
        "standard": {"code": "PS", "version": version},
        "member_id": "qatalum",
        "entity": {"id": "qatalum-mesaieed", "name": "Qatalum, Mesaieed", "country": "QA"},
        "scope": {
            "type": "facility",
            "text": "Smelter and casthouse",
            "activities": list(activities),
            "facilities": [{"id": "qatalum-1", "name": "Mesaieed", "country": "QA"}],
        },
        "team": [{"auditor_id": "auditor-1", "role": "lead"}, {"auditor_id": "auditor-2", "role": "auditor"}],
        "audited_from": "2026-10-12",
        "audited_until": "2026-10-16",
        "maturity": {"systems": "high", "risk": "medium", "performance": "high"},
        "statements": dict.fromkeys(STATEMENTS, True),
        "recommendation": "certify",
        "findings": [
            {"criterion": c.code, "rating": "conformance", "comment": "Seen."} for c in standard.applicable(activities)
        ],
    }
    return copy.deepcopy(report) | changes


def as_reported(report: dict[str, Any]) -> Register:
    """The register of a membership that says just what the report says."""
    entity, scope = report.get("entity", {}), report.get("scope", {})
    activities = tuple(a for a in scope.get("activities", ()) if a)
    member_id, entity_id = report.get("member_id", ""), entity.get("id", "")
    same = {"member_id": member_id, "name": "As it is", "activities": activities, "sequence": 1}
    facilities = [one for one in scope.get("facilities", ()) if {"id", "country"} <= one.keys()]
    return Register(
        members={member_id: dataclasses.replace(REGISTER.members["qatalum"], id=member_id)},
        entities={entity_id: Entity(id=entity_id, country=entity.get("country", "QA"), **same)} if entity_id else {},
        facilities={
            one["id"]: Facility(id=one["id"], entity_id=entity_id, country=one["country"], **same) for one in facilities
        },
    )


def rate(report: dict[str, Any], criterion: str, rating: str, **details: Any) -> dict[str, Any]:
    """Change the finding for one criterion."""
    (finding,) = (f for f in report["findings"] if f["criterion"] == criterion)
    finding.update({"rating": rating, **details})
    return report


def find_faults(report: Any, **changes: Any) -> list[FieldError]:
    """What is wrong with a report, before anybody looks into a database."""
    parsed = parse_report(report)
    known = {
        "standard": CATALOGUE.find(parsed.text("standard", "code"), parsed.text("standard", "version")),
        "body": Body(id="dnv", name="DNV", grants=(a_grant(),)),
        "auditors": {
            id: Auditor(id=id, name=id, grants=(a_grant(body_ids=("dnv",)),)) for id in ("auditor-1", "auditor-2")
        },
        "submitting_body": "dnv",
        "today": NOW.date(),
        "audited_by": NOW.date(),
        "recommendations": RECOMMENDATIONS_1,
        "register": as_reported(parsed.content),
        "all_told": True,
    }
    return parsed.with_content_faults(content_faults(parsed.content, Facts(**known | changes)))


class Beats:
    """Membership's heartbeats: whether all is here that it has told."""

    def __init__(self) -> None:
        self.all_told, self.waited = True, 0

    def now(self) -> datetime.datetime:
        return NOW

    def has_handled(self, producer: str, moment: datetime.datetime) -> bool:
        assert producer == "membership" and moment <= NOW
        return self.all_told

    def wait_for(self, producer: str, known: Callable[[], bool], *, within_s: float) -> None:
        assert producer == "membership" and within_s > 0
        self.waited += 1


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime.datetime:
        return self.at


class Office(MemoryService):
    """The service, and callers of each role."""

    def __init__(self, **rules: Any) -> None:
        self.beats, self.clock = Beats(), Clock()
        given = {"clock": self.clock, "heartbeats": self.beats, "settings": {"unknown_references": "wait"}}
        super().__init__(AssessmentService, catalogue_cache=CATALOGUES, **given)
        self.correct(**rules)
        self.secretariat = Caller("secretariat-1", SECRETARIAT)
        self.registrar = Caller("registrar-1", REGISTRAR)
        self.dnv = Caller("dnv-reports", ASSESSOR, cab="dnv")

    def correct(self, **rules: Any) -> None:
        """Have these rule values in PS 3.0, as if they had been published so."""
        stored = self.database["standards"].find_one({"_id": "PS-3.0/1"})
        document = json.loads(stored["content"])
        for name, value in rules.items():
            document["standard"][name]["value"] = value
        changed = published(document, by="release", at=None)
        self.database["standards"].replace_one(
            {"_id": changed.key}, stored | {"content": changed.content, "hash": changed.hash}
        )

    def accredit(self) -> "Office":
        grant = {
            "standards": ["PS", "COC"],
            "countries": ["*"],
            "activities": ["SML", "CST"],
            "valid_from": day("2018-01-01"),
            "valid_until": day("2030-12-31"),
        }
        self.call("accredit_body", self.secretariat, body_id="dnv", name="DNV", **grant)
        for id in ("auditor-1", "auditor-2"):
            self.call("register_auditor", self.secretariat, auditor_id=id, name=id, body_ids=["dnv"], **grant)
        self.database[OUTBOX].delete_many({})
        for event in RECORDS:
            self.hear(event)
        return self

    def hear(self, event: Any, sequence: int = 1) -> None:
        """A record of membership's comes."""
        type_name, source = event.type_name, "/touchstone/membership"
        subject = getattr(event, event.subject_field)
        envelope = Envelope(
            id="e-1", type=type_name, source=source, subject=subject, time=NOW, sequence=sequence, correlationid="cor-1"
        )
        self.record(handlers_by_subject(AssessmentService)[type(event)], event, envelope)

    def run_due(self) -> int:
        """Does the jobs whose time has come; how many there were."""
        due = self.due()
        for job in due:
            service, unit = self.begin()
            handlers_by_subject(AssessmentService)[job.kind](service, job)
            self.commit(unit, done_with(job))
        return len(due)

    def submit(self, report: Any = ..., caller: Caller | None = None) -> dict[str, Any]:
        return self.call("submit_audit_report", caller or self.dnv, report=build_report() if report is ... else report)

    def call(self, method: str, caller: Caller, **request: Any) -> dict[str, Any]:
        """Run a command or query as the chassis does, with a request that its schema has loaded."""
        return self.record(getattr(AssessmentService, method).__wrapped__, request, caller)

    def record_refusal(self, *given: Any) -> None:
        """As the chassis does it with a message that was not carried out."""
        self.record(AssessmentService.record_refusal, *given)

    def record(self, method: Callable[..., Any], *given: Any) -> Any:
        service, unit = self.begin()
        answer = method(service, *given)
        self.commit(unit)
        return answer


@pytest.fixture
def a_report() -> Callable[..., dict[str, Any]]:
    return build_report


@pytest.fixture
def rated() -> Callable[..., dict[str, Any]]:
    return rate


@pytest.fixture
def faults() -> Callable[..., list[FieldError]]:
    return find_faults


@pytest.fixture
def register() -> Register:
    """What membership says of the report's member and sites."""
    return REGISTER


@pytest.fixture
def register_of() -> Callable[..., Register]:
    """What membership says by these records."""

    def told(records: Iterable[Any]) -> Register:
        office = Office()
        for record in records:
            office.hear(record)
        _, unit = office.begin()
        named = {"members": OrganisationRecorded, "entities": EntityRecorded, "facilities": FacilityRecorded}
        ids = {n: [getattr(r, r.subject_field) for r in records if isinstance(r, c)] for n, c in named.items()}
        return RegisterCopies(unit).known(**ids)

    return told


@pytest.fixture
def grant() -> Callable[..., Grant]:
    return a_grant


@pytest.fixture
def office() -> Office:
    """The service with one accredited body and two auditors."""
    return Office().accredit()


@pytest.fixture
def office_with() -> Callable[..., Office]:
    """The service with other rule values in PS 3.0."""
    return lambda **rules: Office(**rules).accredit()
