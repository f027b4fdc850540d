"""Builders, and an office: the service over documents in memory, with a clock that the test sets."""

import copy
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import bson
import pytest

from assessment.data.catalogue import Catalogue, load_catalogue
from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.domain.report_checks.checklist import faults as content_faults
from assessment.domain.report_checks.facts import Facts
from assessment.schemas.report_parsing import parse_report
from assessment.service import AssessmentService
from assessment.storage.accreditation import Auditors, Bodies
from assessment.storage.audits import Audits
from assessment.storage.refusals import Refusals
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import FieldError
from touchstone_contracts.roles import ASSESSOR, REGISTRAR, SECRETARIAT

NOW = datetime.datetime(2026, 11, 2, 9, tzinfo=datetime.UTC)
AWARE: bson.CodecOptions = bson.CodecOptions(tz_aware=True)
CATALOGUE = load_catalogue()
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
        "judged_on": NOW.date(),
        "audited_by": NOW.date(),
    }
    return parsed.with_content_faults(content_faults(parsed.content, Facts(**known | changes)))


class UnitInMemory:
    """Documents by collection, as the database would give them back; what is saved is there at once.

    `reads` names the collections that were asked.
    """

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.documents: dict[str, dict[str, dict]] = {}
        self.events: list[Any] = []

    def find_one(self, collection: str, filter: Mapping[str, Any], projection: Any = None) -> dict | None:
        return next(iter(self.find(collection, filter)), None)

    def find(
        self,
        collection: str,
        filter: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict]:
        self.reads.append(collection)
        documents = self.documents.get(collection, {})
        found = [documents[id] for id in sorted(documents) if _matches(documents[id], filter)]
        return copy.deepcopy(found[: limit or None])

    def save(self, collection: str, document: dict, events: Iterable[Any] = ()) -> None:
        kept = self.documents.setdefault(collection, {}).get(document["_id"], {"version": 0})
        assert kept["version"] == document["version"], "somebody else changed it"
        written = document | {"version": document["version"] + 1}
        self.documents[collection][document["_id"]] = bson.decode(bson.encode(written), AWARE)
        for event in events:
            assert getattr(event, event.subject_field) == document["_id"]
            assert event.schema.load(event.schema.dump(event)) == event
        self.events += events


def _matches(document: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    return all(_holds(document.get(name), wanted) for name, wanted in filter.items())


def _holds(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    return all({"$gt": lambda x: value > x, "$in": lambda x: value in x}[test](x) for test, x in wanted.items())


class Clock:
    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime.datetime:
        return self.instant


class Office:
    """The service, and callers of each role. `events` are those announced so far."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self.unit = UnitInMemory()
        self.clock = Clock()
        self.service: Any = AssessmentService()
        self.service.clock = self.clock
        self.service.settings = {"catalogue": catalogue}
        self.service.audits, self.service.bodies = Audits(self.unit), Bodies(self.unit)
        self.service.auditors, self.service.refusals = Auditors(self.unit), Refusals(self.unit)
        self.secretariat = Caller("secretariat-1", SECRETARIAT)
        self.registrar = Caller("registrar-1", REGISTRAR)
        self.dnv = Caller("dnv-reports", ASSESSOR, cab="dnv")

    @property
    def events(self) -> list[Any]:
        return self.unit.events

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
        self.events.clear()
        return self

    def submit(self, report: Any = ..., caller: Caller | None = None) -> dict[str, Any]:
        return self.call("submit_audit_report", caller or self.dnv, report=build_report() if report is ... else report)

    def call(self, method: str, caller: Caller, **request: Any) -> dict[str, Any]:
        """Run a command or query as the chassis does, with a request that its schema has loaded."""
        handler: Any = getattr(AssessmentService, method)
        answer: dict[str, Any] = handler.__wrapped__(self.service, request, caller)
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
def office_with() -> Callable[[Catalogue], Office]:
    """The service with other standards."""
    return lambda catalogue: Office(catalogue).accredit()
