"""A case that is held until a day needs a deadline for the end of that day; no other case does."""

import datetime
from typing import Any

import pytest

from certification.reconciliation import cases, due_plan

UNTIL = {"until": "2026-12-01"}


class Books:
    """A unit of work over documents by collection; it understands `_id`, alone or among several."""

    def __init__(self, **collections: list[dict[str, Any]]):
        self._collections = collections

    def find(self, collection: str, filter: Any, projection: Any = None) -> list[dict[str, Any]]:
        ids = filter["_id"]["$in"] if "_id" in filter else []
        return [document for document in self._collections.get(collection, ()) if document["_id"] in ids]

    def find_one(self, collection: str, filter: Any, projection: Any = None) -> dict[str, Any] | None:
        return next(iter(self.find(collection, {"_id": {"$in": [filter["_id"]]}})), None)


def a_case(state: str = "held", evaluation: Any = UNTIL) -> dict[str, Any]:
    return {"_id": "aud-1", "state": state, "evaluation": evaluation, "decision": None, "correlation_id": "cor-1"}


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
    (fact,) = cases(Books(cases=[case], deadlines=deadlines), ["aud-1"])

    assert fact["lacks_plan_due"] is lacks


def test_the_deadline_falls_due_when_the_day_is_over_with_the_cases_correlation() -> None:
    after = datetime.datetime(2026, 12, 2, tzinfo=datetime.UTC)

    assert due_plan(Books(cases=[a_case()]), "aud-1") == (after, {"correlation_id": "cor-1"})
    assert due_plan(Books(cases=[a_case(state="decided")]), "aud-1") is None
    assert due_plan(Books(), "aud-1") is None
