"""An office: the service on the database in memory, with a clock that the test sets."""

import contextlib
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from certification.data import rule_sets
from certification.service import CertificationService
from certification.storage.rule_sets import RuleSetCache
from touchstone_chassis.api import Lag
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed, CompletionRecord
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import DEADLINES
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_testing.memory_service import MemoryService, done_with, handlers_by_subject

NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
SECRETARY = Caller(subject="secretariat-1", role="secretariat")


RULE_SETS = RuleSetCache()
"""Of all offices: a rule set is known by its hash."""


class SetClock:
    def __init__(self, now: datetime.datetime):
        self.time = now

    def now(self) -> datetime.datetime:
        return self.time

    def today(self) -> datetime.date:
        return self.time.date()


class SetHeartbeats:
    """By producer what the service is behind with."""

    def __init__(self) -> None:
        self.lags: dict[str, Lag] = {}

    def lag(self, producer: str) -> Lag | None:
        return self.lags.get(producer)


class Office(MemoryService):
    """The service's own handlers, run one by one on the database in memory."""

    def __init__(self) -> None:
        self.clock = SetClock(NOON)
        settings, self.heartbeats = {"first_certificate_number": 10_001}, SetHeartbeats()
        provided = {"settings": settings, "heartbeats": self.heartbeats, "rule_set_cache": RULE_SETS}
        super().__init__(CertificationService, clock=self.clock, **provided)

    def deliver(self, event: Any, sequence: int = 1, id: str | None = None) -> None:
        """Handle an event as the chassis does: a message id counts once."""
        service, unit = self.begin()
        handle(service, event, sequence)
        self.finish(service, unit, event, sequence, id)

    def finish(self, service: Any, unit: UnitOfWork, event: Any, sequence: int = 1, id: str | None = None) -> None:
        """Commit what the event's handler did; where others were faster, the same handler decides again."""
        id = id or f"{event.type_name}/{getattr(event, event.subject_field)}/{sequence}"
        with contextlib.suppress(AlreadyProcessed):
            self.commit(unit, CompletionRecord(inbox=id), again=lambda: handle(service, event, sequence))

    def call(self, method: str, request: dict, caller: Any = SECRETARY) -> Any:
        service, unit = self.begin()
        schema = next(iter(getattr(CertificationService, method).nameko_entrypoints)).schema
        answer = getattr(CertificationService, method).__wrapped__(service, schema.load(request), caller)
        self.commit(unit)
        return answer

    def run_due(self) -> None:
        """Run every deadline that is due, and those that come of it."""
        for _ in range(1000):
            if not (due := self.due()):
                return
            service, unit = self.begin()
            handlers_by_subject(type(service))[due[0].kind](service, due[0])
            self.commit(unit, done_with(due[0]))
        raise AssertionError("deadlines never come to an end")

    def go_to(self, day: datetime.date) -> None:
        """Move the clock to noon of a day, deadline by deadline."""
        while True:
            due_at = min((d["due_at"] for d in self.documents(DEADLINES)), default=None)
            if due_at is None or due_at.date() > day:
                break
            self.clock.time = max(due_at, self.clock.time)
            self.run_due()
        self.clock.time = datetime.datetime.combine(day, datetime.time(12), tzinfo=datetime.UTC)

    def sign_mandate(self, by: str = SECRETARY.subject, **changed: Any) -> Any:
        """For every rule set that is shipped, unless one is named; the answer is that of the first."""
        fields = {
            "mandate_id": "mandate-1",
            "rule_set": 1,
            "standards": [{"code": "PS", "version": "3.0"}],
            "valid_from": "2020-01-01",
            "valid_until": "2099-12-31",
        }
        caller = dataclasses.replace(SECRETARY, subject=by)
        signed = self.call("sign_mandate", fields | changed, caller)
        if "rule_set" not in changed and self.database["rule_sets"].find_one({"_id": "decision-table/2"}):
            newer = {"mandate_id": f"{signed['mandate_id']}-newer", "rule_set": 2}
            self.call("sign_mandate", fields | changed | newer, caller)
        return signed

    def case(self, case_id: str = "body.r-1") -> dict:
        return self.call("get_case", {"case_id": case_id})

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
    handlers_by_subject(type(service))[type(event)](service, event, envelope)


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture(scope="session")
def new_office() -> type[Office]:
    """For tests that need one office for each example."""
    return Office


@pytest.fixture(scope="session")
def rules() -> Any:
    """Rule set 1, which decides on the day that tests take place on unless they say otherwise."""
    return rule_sets.rule_set_of(rule_sets.shipped()[0])


@pytest.fixture(scope="session")
def newer_rules() -> Any:
    """Rule set 2, for audits of every kind."""
    return rule_sets.rule_set_of(rule_sets.shipped()[1])


@pytest.fixture(scope="session")
def deliver_in() -> Callable[[Any, Any, int], None]:
    """Handles an event in a unit of work that the test commits itself."""
    return handle


@pytest.fixture
def ready(office: Any, build: Any) -> Any:
    """An office with an active member and a mandate."""
    office.deliver(build.recorded())
    office.sign_mandate()
    office.run_due()
    return office
