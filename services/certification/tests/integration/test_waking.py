"""That a case is not forgotten that came while what it needs was being issued, on a real broker and database."""

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from certification.application.decide_case import CaseDecision, Terms
from certification.storage.jobs import REVIEW
from certification.storage.mandates import MandateCache
from certification.storage.rule_sets import RuleSetCache
from touchstone_chassis.handlers.execution import Execution
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.values import Standard
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import unsigned

COC = Standard(code="COC", version="2.0")
STANDARDS = [{"code": "PS", "version": "3.0"}, {"code": "COC", "version": "2.0"}]


def test_a_case_that_is_held_while_the_certificate_it_needs_is_being_issued_is_decided_after_it(
    neighbours: Any, build: Any
) -> None:
    neighbours.sign_mandate(standards=STANDARDS)
    neighbours.publish(build.recorded())
    eventually(lambda: neighbours.database["members"].find_one())
    seen: list[str | None] = []

    def meanwhile() -> None:
        """The other case is opened, and looked at a second time, before anything of ours is written."""
        if not seen:
            neighbours.publish(build.accepted(audit_id="body.r-2", standard=COC))
            eventually(lambda: neighbours.state("body.r-2"))
            eventually(lambda: not neighbours.database["deadlines"].count_documents({"kind": REVIEW}))
        seen.append(neighbours.state("body.r-2"))

    _issue_as_another_replica(neighbours.database, build.audit(), meanwhile)

    eventually(lambda: neighbours.state("body.r-2") == "decided")
    assert (seen, neighbours.state("body.r-1")) == (["held", "held"], "decided")


def _issue_as_another_replica(database: Any, audit: Any, meanwhile: Any) -> None:
    """Open the audit's case, with something else happening between reading and writing."""
    committer = Committer(
        database,
        event_time=lambda: datetime.datetime.now(datetime.UTC),
        sign=unsigned,
        committed=lambda _rows, _changes: None,
    )
    resources: Any = SimpleNamespace(
        committer=committer, draining=False, circuit_breaker=SimpleNamespace(open_for_s=0.0)
    )
    unit = UnitOfWork(database)
    decision = CaseDecision(unit)
    terms = Terms(
        first_number=10_001,
        now=datetime.datetime.now(datetime.UTC),
        mandate_cache=MandateCache(),
        rule_set_cache=RuleSetCache(),
    )

    def handler() -> None:
        decision.open(audit, "test", terms)
        meanwhile()

    Opening(resources, unit, Origin("test"), handler).run()


class Opening(Execution):
    """A handler's run in another replica."""

    def __init__(self, resources: Any, unit: UnitOfWork, origin: Origin, handler: Callable[[], None]):
        super().__init__(resources, unit, origin)
        self.attempt = handler  # type: ignore[method-assign]

    def completion(self, _result: None) -> CompletionRecord:
        return CompletionRecord(inbox="certification.open_case/another-replica")
