"""A right that one replica holds at a time."""

import datetime
import uuid
from collections.abc import Callable

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from touchstone_chassis.mongo.server_time import machine_time

LEASE = datetime.timedelta(seconds=10)


class Lease:
    """A right that one replica holds at a time, until it lets it lapse."""

    def __init__(self, database: Database, name: str, now: Callable[[], datetime.datetime] = machine_time):
        """`now` must be the same for all replicas, or one whose clock is fast takes what others hold."""
        self._leases, self._name, self._owner, self._now = database["leases"], name, uuid.uuid4().hex, now

    def take(self) -> bool:
        """Whether the lease is ours for the next ten seconds."""
        now = self._now()
        try:
            self._leases.find_one_and_update(
                {"_id": self._name, "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]},
                {"$set": {"owner": self._owner, "until": now + LEASE}},
                upsert=True,
            )
        except DuplicateKeyError:
            return False
        return True

    def give_back(self) -> None:
        """Let others have it at once."""
        self._leases.update_one({"_id": self._name, "owner": self._owner}, {"$set": {"until": self._now()}})
