"""Events of every service about its own bookkeeping: what a reconciliation found, and that it is settled.

Each service announces the differences that concern it. They hold ids and no facts of the domain.
"""

import datetime
from typing import Any

from touchstone_contracts.registry import REGISTRY, detail, event
from touchstone_contracts.services import SERVICES


def register(service: str) -> tuple[Any, Any]:
    """The types DifferenceFound and DifferenceSettled of a service; registered with the first call."""
    found, settled = f"{service}.difference_found.v1", f"{service}.difference_settled.v1"
    if found not in REGISTRY:
        _register_found(service)
        _register_settled(service)
    return REGISTRY[found], REGISTRY[settled]


def _register_found(service: str) -> None:
    @event(
        f"{service}.difference_found",
        version=1,
        subject="difference_id",
        summary="A reconciliation found that the books of two services, or of this one, do not agree.",
    )
    class DifferenceFound:
        difference_id: str = detail("The difference: the same whenever it is found.", example="7d1f0b6c2a94")
        kind: str = detail("What kind it is, for programs.", example="event_not_processed")
        about: dict[str, str] = detail("Ids of what it is about.", example={"event": "3f0c", "producer": "assessment"})
        sentence: str = detail("What it means, for whoever is on call.", example="Event 3f0c was not processed.")
        found_at: datetime.datetime = detail("When.", example="2026-03-05T09:00:00+00:00")


def _register_settled(service: str) -> None:
    @event(
        f"{service}.difference_settled",
        version=1,
        subject="difference_id",
        summary="A difference that was found before is there no more, or a person accepted it as it is.",
    )
    class DifferenceSettled:
        difference_id: str = detail("The difference.", example="7d1f0b6c2a94")
        kind: str = detail("What kind it was.", example="event_not_processed")
        settled_at: datetime.datetime = detail("When.", example="2026-03-05T09:05:00+00:00")


for _service in SERVICES:
    register(_service)
