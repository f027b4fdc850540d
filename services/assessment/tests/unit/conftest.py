"""Builders, and an office: the service on the database in memory."""

import copy
import datetime
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from assessment.data.catalogue import load_catalogue
from assessment.data.recommendations import RECOMMENDATIONS_1
from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.domain.report_checks.checklist import faults as content_faults
from assessment.domain.report_checks.facts import Facts
from assessment.schemas.report_parsing import parse_report
from assessment.service import AssessmentService
from assessment.storage.standards import CatalogueCache
from touchstone_contracts.bookkeeping import OUTBOX
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import FieldError
from touchstone_contracts.reference import published
from touchstone_contracts.roles import ASSESSOR, REGISTRAR, SECRETARIAT
from touchstone_testing.memory_service import MemoryService

NOW = datetime.datetime(2026, 11, 2, 9, tzinfo=datetime.UTC)
CATALOGUE = load_catalogue()
CATALOGUES = CatalogueCache()
"""Of all offices: a catalogue is known by the hashes of what is in it."""
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
    }
    return parsed.with_content_faults(content_faults(parsed.content, Facts(**known | changes)))


class Clock:
    def now(self) -> datetime.datetime:
        return NOW


class Office(MemoryService):
    """The service, and callers of each role."""

    def __init__(self, **rules: Any) -> None:
        super().__init__(AssessmentService, clock=Clock(), catalogue_cache=CATALOGUES)
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
        return self

    def submit(self, report: Any = ..., caller: Caller | None = None) -> dict[str, Any]:
        return self.call("submit_audit_report", caller or self.dnv, report=build_report() if report is ... else report)

    def call(self, method: str, caller: Caller, **request: Any) -> dict[str, Any]:
        """Run a command or query as the chassis does, with a request that its schema has loaded."""
        return self._run(getattr(AssessmentService, method).__wrapped__, request, caller)

    def record_refusal(self, *given: Any) -> None:
        """As the chassis does it with a message that was not carried out."""
        self._run(AssessmentService.record_refusal, *given)

    def _run(self, method: Callable[..., Any], *given: Any) -> Any:
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
