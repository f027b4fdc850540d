"""A case that is held until a day needs a deadline for the end of that day; no other case does."""

import datetime
from typing import Any

import pytest

from certification.reconciliation import cases, due_plan
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_testing.memory_mongo import MemoryDatabase

UNTIL = {"until": "2026-12-01"}


def books(**collections: list[dict[str, Any]]) -> Any:
    """A unit of work on these documents."""
    database: Any = MemoryDatabase()
    for name, documents in collections.items():
        database[name].insert_many(documents)
    return UnitOfWork(database)


def a_case(state: str = "held", evaluation: Any = UNTIL) -> dict[str, Any]:
    audit = {"audit_type": "initial"}
    told = {"state": state, "evaluation": evaluation, "decision": None, "correlation_id": "cor-1"}
    return {"_id": "aud-1", "audit": audit, **told}


@pytest.mark.parametrize(
    ("case", "deadlines", "lacks"),
    [
        (a_case(), [], True),
        (a_case(), [{"_id": "plan_due/aud-1"}], False),
        (a_case(evaluation={"until": None}), [], False),
        (a_case(evaluation=None), [], False),
        (a_case(state="decided"), [], False),
    ],
    ids=["lost", "there", "held without a day", "not evaluated", "decided"],
)
def test_only_a_case_that_is_held_until_a_day_lacks_the_deadline(case: Any, deadlines: Any, lacks: bool) -> None:
    (fact,) = cases(books(cases=[case], deadlines=deadlines), ["aud-1"])

    assert fact["lacks_plan_due"] is lacks


def test_the_deadline_falls_due_when_the_day_is_over_with_the_cases_correlation() -> None:
    after = datetime.datetime(2026, 12, 2, tzinfo=datetime.UTC)

    assert due_plan(books(cases=[a_case()]), "aud-1") == (after, {"correlation_id": "cor-1"})
    assert due_plan(books(cases=[a_case(state="decided")]), "aud-1") is None
    assert due_plan(books(), "aud-1") is None
