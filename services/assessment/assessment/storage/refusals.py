"""Refusals of reports that came by message, as documents."""

import datetime
from typing import Any

from assessment.storage.unit_of_work import Unit

REFUSALS = "refusals"
COLLECTIONS = (REFUSALS,)


class Refusals:
    """Reports that came by message and were not taken: what was wrong with them, not what they said."""

    def __init__(self, unit: Unit):
        self._unit = unit

    def add(self, event: Any, *, at: datetime.datetime) -> None:
        """Record the refusal that `event` announces; senders may choose the same id, then the latest one stays."""
        recorded = event.schema.dump(event)
        id = recorded.pop("submission_id")
        earlier = self._unit.find_one(REFUSALS, {"_id": id}, {"version": 1}) or {"version": 0}
        document = {"_id": id, "version": earlier["version"], "schema_version": 1, "refused_at": at}
        self._unit.save(REFUSALS, document | recorded, [event])
