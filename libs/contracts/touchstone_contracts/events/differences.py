"""Retired events: what reconciliations found and settled. Nobody announces them.

They are known for one release more, since outboxes and outsiders' queues may hold some: docs/evolving.md.
"""

import datetime

from touchstone_contracts.registry import detail, event

_RETIRED = "Retired, and announced no more."


def _register(service: str) -> None:
    @event(
        f"{service}.difference_found",
        version=1,
        subject="difference_id",
        summary=f"{_RETIRED} A reconciliation found that the ledgers of two services, or of this one, do not agree.",
    )
    class DifferenceFound:
        difference_id: str = detail("The difference: the same whenever it is found.", example="7d1f0b6c2a94")
        kind: str = detail("What kind it is, for programs.", example="event_not_processed")
        about: dict[str, str] = detail("Ids of what it is about.", example={"event": "3f0c", "producer": "assessment"})
        sentence: str = detail("What it means, for whoever is on call.", example="Event 3f0c was not processed.")
        found_at: datetime.datetime = detail("When.", example="2026-03-05T09:00:00+00:00")

    @event(
        f"{service}.difference_settled",
        version=1,
        subject="difference_id",
        summary=f"{_RETIRED} A difference that was found before was there no more, or a person accepted it as it was.",
    )
    class DifferenceSettled:
        difference_id: str = detail("The difference.", example="7d1f0b6c2a94")
        kind: str = detail("What kind it was.", example="event_not_processed")
        settled_at: datetime.datetime = detail("When.", example="2026-03-05T09:05:00+00:00")


# Who announced them, and no service since.
for _service in ("membership", "assessment", "certification", "notification"):
    _register(_service)
