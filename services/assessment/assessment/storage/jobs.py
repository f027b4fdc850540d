"""What assessment has itself do later."""

import datetime

from assessment.storage.unit_of_work import Unit

LOOK_AGAIN = "missing_references"
"""Look again for what a report names and is not known yet."""
FIRST_LOOK_AFTER, LOOKS_EVERY = datetime.timedelta(seconds=10), datetime.timedelta(seconds=30)


class Jobs:
    """Sets jobs; they run after the commit that sets them."""

    def __init__(self, unit: Unit):
        self._unit = unit

    def look_soon(self, audit_id: str, *, now: datetime.datetime) -> None:
        self._unit.schedule(LOOK_AGAIN, audit_id, now + FIRST_LOOK_AFTER)

    def look_later(self, audit_id: str, *, now: datetime.datetime) -> None:
        self._unit.schedule(LOOK_AGAIN, audit_id, now + LOOKS_EVERY)
