"""The domain's clock: real time, which a sandbox, and nothing else, may shift for all its services at once."""

import datetime
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import nameko
from nameko.extensions import DependencyProvider
from pymongo import MongoClient

from touchstone_chassis.mongo.client import Mongo, connect
from touchstone_chassis.mongo.server_time import DatabaseTime, machine_time
from touchstone_contracts.bookkeeping import CLOCK, SANDBOX

CACHED_S = 0.25
OFFSET_S_MAX = 50 * 366 * 24 * 3600.0

_DOCUMENT = "domain"


class Clock(Protocol):
    """What the domain may ask about time."""

    def now(self) -> datetime.datetime:
        """The moment, aware, in UTC."""

    def today(self) -> datetime.date:
        """The date in UTC."""


class ClockNotMovable(Exception):
    """Only the clock of a sandbox can be moved, and only within OFFSET_S_MAX of the real time."""


class SystemClock:
    """Real time: of the database in a service, so that its replicas agree; else of the machine."""

    def __init__(self, real: Callable[[], datetime.datetime] = machine_time):
        self._real = real

    def now(self) -> datetime.datetime:
        return self._real()

    def today(self) -> datetime.date:
        return self.now().date()


class MovableClock:
    """Real time plus an offset that somebody else may change; asked for again after CACHED_S."""

    def __init__(
        self,
        read_offset_s: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        real: Callable[[], datetime.datetime] = machine_time,
    ):
        self._read_offset_s, self._real = read_offset_s, real
        self._monotonic = monotonic
        self._offset = datetime.timedelta()
        self._read_at = -math.inf

    def now(self) -> datetime.datetime:
        asked_at = self._monotonic()
        if asked_at - self._read_at >= CACHED_S:
            self._offset = datetime.timedelta(seconds=self._read_offset_s())
            self._read_at = asked_at
        return self._real() + self._offset

    def today(self) -> datetime.date:
        return self.now().date()


def database_prefix(database: str) -> str:
    """What the databases of one installation have in common: `touchstone` of `touchstone_toy`."""
    return database.rpartition("_")[0]


def clock_for(
    config: Mapping[str, Any], client: MongoClient, real: Callable[[], datetime.datetime] = machine_time
) -> Clock:
    """The clock of the installation that `config` belongs to. Outside a sandbox a stored offset is ignored."""
    if not config["sandbox"]:
        return SystemClock(real)
    collection = client[f"{database_prefix(config['database'])}_{SANDBOX}"][CLOCK]

    def read_offset_s() -> float:
        document = collection.find_one({"_id": _DOCUMENT})
        return _checked(document["offset_s"]) if document else 0.0

    return MovableClock(read_offset_s, real=real)


def move(mongo_uri: str, prefix: str, offset_s: float, sandbox: bool) -> None:
    """Set the domain clock of every service under `prefix` to the real time plus `offset_s` seconds.

    Services follow within CACHED_S. Tokens, leases and deadlines of calls stay on real time.
    Raises ClockNotMovable outside a sandbox and for an offset beyond OFFSET_S_MAX.
    """
    if not sandbox:
        raise ClockNotMovable("the clock can only be moved in a sandbox")
    offset_s = _checked(offset_s)
    with connect(mongo_uri) as client:
        stored = client[f"{prefix}_{SANDBOX}"][CLOCK]
        stored.update_one({"_id": _DOCUMENT}, {"$set": {"offset_s": offset_s}}, upsert=True)


def _checked(offset_s: Any) -> float:
    if isinstance(offset_s, bool) or not isinstance(offset_s, (int, float)) or not abs(offset_s) <= OFFSET_S_MAX:
        raise ClockNotMovable(f"the clock's offset must be a number of seconds within ±{OFFSET_S_MAX:.0f}")
    return float(offset_s)


class DomainClock(DependencyProvider):
    """The domain's clock in a handler: `.now()` and `.today()`."""

    mongo = Mongo()
    time = DatabaseTime()

    def __init__(self) -> None:
        self._clock: Clock = SystemClock()

    def setup(self) -> None:
        self._clock = clock_for(nameko.config, self.mongo.client, self.time.now)

    def get_dependency(self, worker_ctx: Any) -> Clock:
        return self._clock
