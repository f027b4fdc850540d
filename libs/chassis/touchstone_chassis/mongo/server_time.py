"""The database's time, by which replicas agree on leases, claims and ages whatever their own clocks say."""

import datetime
import time
from collections.abc import Callable
from typing import Any

import pymongo
import structlog
from bson.codec_options import CodecOptions
from nameko.extensions import DependencyProvider, SharedExtension
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from touchstone_chassis.lazy import lazy_dependency
from touchstone_chassis.mongo.client import Mongo

log = structlog.get_logger(__name__)

ASKED_EVERY_S, ASKED_AGAIN_S = 60.0, 5.0
ASKED_WITHIN_S = 1.0
WRONG_BY_S = 5.0


def machine_time() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class ServerTime:
    """Asked for once a minute and counted on from there, so that a clock that is set meanwhile changes nothing."""

    def __init__(
        self,
        ask: Callable[[], datetime.datetime],
        *,
        machine: Callable[[], datetime.datetime] = machine_time,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self._ask, self._machine, self._monotonic = ask, machine, monotonic
        self._base: tuple[datetime.datetime, float] | None = None
        self._due = 0.0

    def now(self) -> datetime.datetime:
        """Aware, in UTC; the machine's time as long as the database has never been reached."""
        if self._monotonic() >= self._due:
            self._measure()
        if self._base is None:
            return self._machine()
        base, at = self._base
        return base + datetime.timedelta(seconds=self._monotonic() - at)

    def _measure(self) -> None:
        began = self._monotonic()
        self._due = began + ASKED_AGAIN_S  # others do not ask meanwhile
        try:
            answer = self._ask()
        except PyMongoError:
            return
        ended = self._monotonic()
        self._base = (answer, (began + ended) / 2)
        self._due = ended + ASKED_EVERY_S
        wrong_by_s = abs((self.now() - self._machine()).total_seconds())
        if wrong_by_s > WRONG_BY_S:
            log.warning("clock_wrong", by_s=round(wrong_by_s))


def asked_of(client: Callable[[], MongoClient]) -> datetime.datetime:
    with pymongo.timeout(ASKED_WITHIN_S):
        # a command's answer is decoded by the driver's defaults, not the client's: times would be naive
        answer: datetime.datetime = client().admin.command("hello", codec_options=CodecOptions(tz_aware=True))[
            "localTime"
        ]
    return answer


class DatabaseTime(SharedExtension):
    """The time of a service's database."""

    mongo = Mongo()

    @lazy_dependency
    def _time(self) -> ServerTime:
        return ServerTime(lambda: asked_of(lambda: self.mongo.client))

    def now(self) -> datetime.datetime:
        return self._time.now()


class RealTime(DependencyProvider):
    """The database's time in a handler: `.now()`, aware, in UTC. Nobody moves it, unlike the domain's clock."""

    time = DatabaseTime()

    def get_dependency(self, worker_ctx: Any) -> DatabaseTime:
        return self.time
