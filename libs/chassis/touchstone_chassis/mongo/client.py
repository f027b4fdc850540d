"""Gives the extensions of one service its MongoDB client and database."""

from collections.abc import Callable
from typing import Any

from nameko import config
from nameko.extensions import SharedExtension
from pymongo import MongoClient, ReadPreference
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.synchronous.topology import Topology
from pymongo.write_concern import WriteConcern

from touchstone_chassis.lazy import lazy_dependency

DURABLE = WriteConcern("majority", j=True)
RELAXED = WriteConcern(1)
SNAPSHOT = ReadConcern("snapshot")
LATEST = ReadConcern("local")

_TRANSIENT_LABELS = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
_TRANSIENT_CODES = {6, 7, 18, 20, 43, 89, 91, 94, 112, 133, 134, 189, 211, 251, 262, 365, 9001, 10107}
_TRANSIENT_CODES |= {11600, 11602, 13435, 13436}
"""Each by its name, and why: `test_mongo_client.py`."""


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
    """Whether the database, not the request, was at fault: away, in its start, changing its primary, or too slow."""
    if isinstance(error, (ConnectionFailure, ConfigurationError, WriteConcernError)):
        return True
    if not isinstance(error, PyMongoError):
        return False
    if error.timeout or any(error.has_error_label(label) for label in _TRANSIENT_LABELS):
        return True
    return getattr(error, "code", None) in _TRANSIENT_CODES


def transact(database: Database, work: Callable[[ClientSession], Any]) -> None:
    """Run `work` in a transaction, which a majority commits. Raises what it raises, or a PyMongoError."""
    client = database.client
    try:
        with client.start_session() as session:
            session.with_transaction(work, read_concern=SNAPSHOT, write_concern=DURABLE)
    except ConfigurationError:  # a connection that was opened while its server could have no sessions
        forget_servers(client)
        raise


def forget_servers(client: MongoClient) -> None:
    """Let the client meet its servers anew, by its URI; what is under way goes on with those that it has met.

    It remembers for ever what may be over: that a connection's server, when that was opened, was in its start and had
    no sessions to give (with `directConnection`); which election was the last one, though the set was initiated anew.
    The driver has no public way, and whoever has a database or a collection of the client keeps it.
    """
    if client._topology is not None:  # of mongodb+srv:// that was not looked up yet
        client._topology = Topology(client._topology_settings)
        client._topology.open()


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
