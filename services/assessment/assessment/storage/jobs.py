"""What assessment has itself do later."""

import datetime

from assessment.storage.unit_of_work import Unit

LOOK_AGAIN = "missing_references"
"""Look again for what a report names and is not known yet."""
LOOKS_EVERY = datetime.timedelta(seconds=10)


class Jobs:
    """Sets jobs; they run after the commit that sets them."""

    def __init__(self, unit: Unit):
        self._unit = unit

    def look_again(self, audit_id: str, *, now: datetime.datetime) -> None:
        self._unit.schedule(LOOK_AGAIN, audit_id, now + LOOKS_EVERY)
