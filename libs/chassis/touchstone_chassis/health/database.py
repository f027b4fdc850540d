"""Checks of the database: whether a transaction can be committed, and how long one may live."""

import datetime
import time
from collections.abc import Callable

import pymongo
import structlog
from bson import ObjectId
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from touchstone_chassis.mongo.client import forget_servers, is_transient, transact

log = structlog.get_logger(__name__)

DATABASE_TIMEOUT_S = 1.2
WRITTEN_EVERY_S = 3.0
FORGOTTEN_EVERY_S = 5.0
"""After so long in vain it may be what the driver remembers of the servers that is in the way."""
ASKED_EVERY_S = 60.0
TRANSACTION_LIFETIME_MAX_S = 5
"""A transaction of a killed process keeps its keys locked for as long as the server lets it live (60 s by default)."""


class WritableDatabase:
    """Whether a transaction can be committed by a majority: a write that leaves nothing behind."""

    def __init__(
        self,
        database: Callable[[], Database],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        known_for_s: float = WRITTEN_EVERY_S,
    ):
        """A yes stands for `known_for_s`; 0 for whoever must know how it is now."""
        self._database = database
        self._monotonic, self._known_for_s = monotonic, known_for_s
        self._known: tuple[bool, str] = (False, "not asked yet")
        self._known_until = 0.0
        self._in_vain_since: float | None = None

    def __call__(self) -> tuple[bool, str]:
        if self._monotonic() >= self._known_until:
            self._known = self._write()
            self._known_until = self._monotonic() + (self._known_for_s if self._known[0] else 0)
            self._forget_in_time(self._known[0], self._monotonic())
        return self._known

    def _forget_in_time(self, written: bool, now: float) -> None:
        if written:
            self._in_vain_since = None
        elif self._in_vain_since is None:
            self._in_vain_since = now
        elif now - self._in_vain_since >= FORGOTTEN_EVERY_S:
            self._in_vain_since = now
            forget_servers(self._database().client)

    def _write(self) -> tuple[bool, str]:
        started = self._monotonic()
        database = self._database()
        try:
            with pymongo.timeout(DATABASE_TIMEOUT_S):
                transact(database, lambda session: _insert_and_delete(database, session))
        except PyMongoError as error:
            return False, f"no transaction could be committed: {type(error).__name__}"
        return True, f"committed in {(self._monotonic() - started) * 1000:.0f} ms"


def _insert_and_delete(database: Database, session: ClientSession) -> None:
    """Under an id of its own, so that replicas which ask at the same time do not clash."""
    own_id = ObjectId()
    database["readiness"].insert_one({"_id": own_id, "at": datetime.datetime.now(datetime.UTC)}, session=session)
    database["readiness"].delete_one({"_id": own_id}, session=session)


class TransactionLifetime:
    """Warns where the database lets transactions live long; never a reason not to be ready."""

    def __init__(self, client: Callable[[], MongoClient], monotonic: Callable[[], float] = time.monotonic):
        self._client = client
        self._monotonic = monotonic
        self._detail = "unknown"
        self._known_until = 0.0

    def __call__(self) -> tuple[bool, str]:
        if self._monotonic() >= self._known_until:
            self._detail = self._ask()
            self._known_until = self._monotonic() + ASKED_EVERY_S
        return True, self._detail

    def _ask(self) -> str:
        try:
            with pymongo.timeout(DATABASE_TIMEOUT_S):
                answer = self._client().admin.command("getParameter", 1, transactionLifetimeLimitSeconds=1)
        except PyMongoError as error:
            denied = isinstance(error, OperationFailure) and not is_transient(error)
            return f"unknown: {'not allowed to ask' if denied else type(error).__name__}"
        lifetime_s = answer["transactionLifetimeLimitSeconds"]
        if lifetime_s <= TRANSACTION_LIFETIME_MAX_S:
            return f"{lifetime_s} s"
        log.warning("transaction_lifetime_too_long", lifetime_s=lifetime_s, lifetime_max_s=TRANSACTION_LIFETIME_MAX_S)
        return (
            f"WARNING: transactionLifetimeLimitSeconds is {lifetime_s}, longer than {TRANSACTION_LIFETIME_MAX_S}: "
            "after a crash its documents stay locked for that long"
        )
