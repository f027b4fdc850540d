"""Gives the extensions of one service its MongoDB client and database."""

from nameko import config
from nameko.extensions import SharedExtension
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from touchstone_chassis.lazy import lazy_dependency

DURABLE = WriteConcern("majority", j=True)
RELAXED = WriteConcern(1)
SNAPSHOT = ReadConcern("snapshot")
LATEST = ReadConcern("local")

_TRANSIENT_CODES = {6, 7, 89, 91, 112, 189, 251, 262, 9001, 10107, 11600, 11602, 13435, 13436}


def connect(uri: str) -> MongoClient:
    """A client whose reads and writes are acknowledged by a majority. Opens no socket yet; close it."""
    return MongoClient(
        uri,
        connect=False,
        tz_aware=True,
        serverSelectionTimeoutMS=5_000,
        # A member that is frozen, its connections open, is given up when it has said nothing for the sum of the first
        # two, and what had begun is given up after the third: both before or soon after the others have elected a new
        # primary (5 s and more), so that nothing goes on waiting for the old one.
        heartbeatFrequencyMS=2_000,
        connectTimeoutMS=2_000,
        socketTimeoutMS=5_000,
        maxPoolSize=100,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        read_preference=ReadPreference.PRIMARY,
        appname="touchstone",
    )


def is_transient(error: BaseException) -> bool:
    """Whether the database, not the request, was at fault: away, changing its primary, or too slow."""
    if isinstance(error, (ConnectionFailure, WTimeoutError, ExecutionTimeout, WaitQueueTimeoutError)):
        return True
    if not isinstance(error, PyMongoError):
        return False
    if error.timeout:
        return True
    if any(error.has_error_label(label) for label in ("TransientTransactionError", "UnknownTransactionCommitResult")):
        return True
    return isinstance(error, WriteConcernError) or getattr(error, "code", None) in _TRANSIENT_CODES


class Mongo(SharedExtension):
    """The service's client and database, made when first used: after monkey-patching, never at import."""

    @lazy_dependency
    def client(self) -> MongoClient:
        return connect(config["MONGO_URI"])

    @lazy_dependency
    def database(self) -> Database:
        return self.client[config["database"]]

    def close(self) -> None:
        """Called by the last one to use it; the order in which extensions stop is not defined."""
        if "client" in self.__dict__:
            self.client.close()
