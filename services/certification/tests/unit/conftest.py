"""An office: the service over a database in memory, with a clock that the test sets."""

import copy
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from certification.data import rule_sets
from certification.service import CertificationService
from certification.storage.mandates import MandateCache
from touchstone_chassis.api import Stored
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.errors import AlreadyExists
from touchstone_contracts.events.assessment import AuditAccepted, CorrectiveActionPlanReviewed
from touchstone_contracts.events.membership import MembershipActivated, MembershipReinstated, MembershipSuspended

NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
SECRETARY = Caller(subject="secretariat-1", role="secretariat")


class MemoryDatabase:
    """Documents, sequences and the outbox; guards the unique indexes of the topology."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[str, dict]] = {}
        self.outbox: list[tuple[Any, int]] = []
        self.deadlines: dict[str, tuple[str, str, datetime.datetime, dict]] = {}
        self.inbox: set[str] = set()
        self.sequences: dict[str, int] = {}

    def put(self, collection: str, document: dict) -> None:
        for index in CertificationService.topology.indexes:
            if index.collection == collection and index.unique:
                self._guard(index, collection, document)
        self.collections.setdefault(collection, {})[document["_id"]] = document

    def _guard(self, index: Any, collection: str, document: dict) -> None:
        if not matches(document, index.partial or {}):
            return
        same = {field: document[field] for field, _ in index.keys} | dict(index.partial or {})
        for other in self.collections.get(collection, {}).values():
            if other["_id"] != document["_id"] and matches(other, same):
                raise AlreadyExists(f"{collection}: {same}")


class Clash(AssertionError):
    """An aggregate changed since it was read."""


class MemoryUnit:
    """A unit of work: reads what is committed, writes at `commit`. `reads` names the collections that were asked."""

    def __init__(self, database: MemoryDatabase):
        self.database = database
        self.reads: list[str] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything that was to be written: the handler runs again."""
        self.saved: list[tuple[str, dict]] = []
        self.emitted: list[tuple[Any, int]] = []
        self.projected: list[tuple[str, dict]] = []
        self.scheduled: dict[str, tuple | None] = {}

    def find_one(self, collection: str, filter: dict, projection: Any = None) -> dict | None:
        return next(iter(self.find(collection, filter, limit=1)), None)

    def find(
        self, collection: str, filter: dict, *, sort: Any = None, limit: int = 0, projection: Any = None
    ) -> list[dict]:
        self.reads.append(collection)
        found = [d for d in self.database.collections.get(collection, {}).values() if matches(d, filter)]
        for field, direction in reversed(sort or []):
            found.sort(key=lambda d: d[field], reverse=direction < 0)
        return copy.deepcopy(found[:limit] if limit else found)

    def save(self, collection: str, document: dict, events: Any = ()) -> None:
        assert (collection, document["_id"]) not in {(c, d["_id"]) for c, d in self.saved}
        for event in events:
            assert str(getattr(event, event.subject_field)) == document["_id"]
            self.emitted.append((event, document["version"] + 1))
        self.saved.append((collection, document))

    def upsert_read_model(self, collection: str, document: dict) -> None:
        self.projected.append((collection, document))

    def schedule(self, kind: str, key: str, due_at: datetime.datetime, payload: dict | None = None) -> None:
        self.scheduled[f"{kind}/{key}"] = (kind, key, due_at, payload or {})

    def unschedule(self, kind: str, key: str) -> None:
        self.scheduled[f"{kind}/{key}"] = None

    def next_number(self, name: str, *, first: int = 1) -> int:
        self.database.sequences[name] = max(self.database.sequences.get(name, 0), first - 1) + 1
        return self.database.sequences[name]

    def reserve_number(self, name: str, number: int, *, first: int = 1) -> None:
        self.database.sequences[name] = max(self.database.sequences.get(name, 0), first - 1, number)

    def commit(self) -> None:
        before = {name: dict(documents) for name, documents in self.database.collections.items()}
        try:
            for collection, document in self.saved:
                kept = self.database.collections.get(collection, {}).get(document["_id"], {"version": 0})
                if kept["version"] != document["version"]:
                    raise Clash(f"{collection}/{document['_id']}")
                self.database.put(collection, copy.deepcopy(document) | {"version": document["version"] + 1})
        except BaseException:
            self.database.collections = before
            raise
        for collection, document in self.projected:
            kept = self.database.collections.setdefault(collection, {}).get(document["_id"])
            if kept is None or kept["sequence"] < document["sequence"]:
                self.database.put(collection, copy.deepcopy(document))
        for id, deadline in self.scheduled.items():
            if deadline is None:
                self.database.deadlines.pop(id, None)
            else:
                self.database.deadlines[id] = deadline
        self.database.outbox += self.emitted


class SetClock:
    def __init__(self, now: datetime.datetime):
        self.time = now

    def now(self) -> datetime.datetime:
        return self.time

    def today(self) -> datetime.date:
        return self.time.date()


class Due:
    """A deadline as the handler gets it."""

    def __init__(self, kind: str, key: str, payload: dict):
        self.kind, self.key, self.payload = kind, key, payload


_ON_EVENT = {
    AuditAccepted: "open_case",
    CorrectiveActionPlanReviewed: "note_plan_review",
    MembershipActivated: "note_activation",
    MembershipSuspended: "note_suspension",
    MembershipReinstated: "note_reinstatement",
}
_ON_DEADLINE = {
    "case_review": "look_at_case",
    "case_resume": "resume_case",
    "plan_due": "end_hold",
    "wake_cases": "wake_cases",
    "certificate_expiry": "expire_certificate",
}


class Office:
    """The service's own handlers, run one by one over a database in memory."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.clock = SetClock(NOON)
        self.mandate_cache = MandateCache()

    def begin(self) -> tuple[Any, MemoryUnit]:
        """A service whose handlers read now; what they do is written when the unit is committed."""
        unit, service = MemoryUnit(self.database), CertificationService()
        service.clock, service.settings = self.clock, {"rule_set": 1, "first_certificate_number": 10_001}
        service.mandate_cache = self.mandate_cache
        for name in dir(CertificationService):
            if isinstance(provider := getattr(CertificationService, name), Stored):
                setattr(service, name, provider.repository(unit))
        return service, unit

    def deliver(self, event: Any, sequence: int = 1, id: str | None = None) -> None:
        """Handle an event as the chassis does: a message id counts once."""
        id = id or f"{event.type_name}/{getattr(event, event.subject_field)}/{sequence}"
        if id in self.database.inbox:
            return
        service, unit = self.begin()
        handle(service, event, sequence)
        self.finish(service, unit, event, sequence)
        self.database.inbox.add(id)

    def finish(self, service: Any, unit: MemoryUnit, event: Any, sequence: int = 1) -> None:
        """Commit what the event's handler did; where others were faster, the same handler decides again."""
        try:
            unit.commit()
        except (Clash, AlreadyExists):
            unit.reset()
            handle(service, event, sequence)
            unit.commit()

    def call(self, method: str, request: dict, caller: Any = SECRETARY) -> Any:
        service, unit = self.begin()
        schema = next(iter(getattr(CertificationService, method).nameko_entrypoints)).schema
        answer = getattr(CertificationService, method).__wrapped__(service, schema.load(request), caller)
        unit.commit()
        return answer

    def run_due(self) -> None:
        """Run every deadline that is due, and those that come of it."""
        for _ in range(1000):
            due = [one for one in self.database.deadlines.items() if one[1][2] <= self.clock.now()]
            if not due:
                return
            id, (kind, key, _, payload) = due[0]
            del self.database.deadlines[id]
            service, unit = self.begin()
            getattr(CertificationService, _ON_DEADLINE[kind]).__wrapped__(service, Due(kind, key, payload))
            unit.commit()
        raise AssertionError("deadlines never come to an end")

    def go_to(self, day: datetime.date) -> None:
        """Move the clock to noon of a day, deadline by deadline."""
        while True:
            due_at = min((d[2] for d in self.database.deadlines.values()), default=None)
            if due_at is None or due_at.date() > day:
                break
            self.clock.time = max(due_at, self.clock.time)
            self.run_due()
        self.clock.time = datetime.datetime.combine(day, datetime.time(12), tzinfo=datetime.UTC)

    def sign_mandate(self, by: str = SECRETARY.subject, **changed: Any) -> Any:
        fields = {
            "mandate_id": "mandate-1",
            "rule_set": 1,
            "standards": [{"code": "PS", "version": "3.0"}],
            "valid_from": "2020-01-01",
            "valid_until": "2099-12-31",
        }
        return self.call("sign_mandate", fields | changed, dataclasses.replace(SECRETARY, subject=by))

    def case(self, case_id: str = "body.r-1") -> dict:
        return self.call("get_case", {"case_id": case_id})

    def events(self, name: str | None = None) -> list[Any]:
        return [event for event, _ in self.database.outbox if name in (None, type(event).__name__)]

    def certificates(self) -> list[dict]:
        return self.call("list_certificates", {}, None)["items"]


def handle(service: Any, event: Any, sequence: int) -> None:
    envelope = Envelope(
        id="e",
        type=event.type_name,
        source="/touchstone/test",
        subject=str(getattr(event, event.subject_field)),
        time=NOON,
        sequence=sequence,
        correlationid="c",
    )
    getattr(CertificationService, _ON_EVENT[type(event)]).__wrapped__(service, event, envelope)


def matches(document: dict, filter: Any) -> bool:
    return all(_compares(document.get(field), wanted) for field, wanted in filter.items())


def _compares(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return wanted in found if isinstance(found, list) else found == wanted
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "$gt": lambda a, b: a > b,
        "$gte": lambda a, b: a >= b,
        "$lt": lambda a, b: a < b,
        "$lte": lambda a, b: a <= b,
        "$in": lambda a, b: a in b,
    }
    return all(tests[name](found, value) for name, value in wanted.items())


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(scope="session")
def new_office() -> type[Office]:
    """For tests that need one office for each example."""
    return Office


@pytest.fixture(scope="session")
def rules() -> Any:
    return rule_sets.load(1)


@pytest.fixture(scope="session")
def deliver_in() -> Callable[[Any, Any, int], None]:
    """Handles an event in a unit of work that the test commits itself."""
    return handle


@pytest.fixture
def ready(office: Any, build: Any) -> Any:
    """An office with an active member and a mandate."""
    office.deliver(build.activated())
    office.sign_mandate()
    office.run_due()
    return office
