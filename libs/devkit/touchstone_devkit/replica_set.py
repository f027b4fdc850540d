"""Makes one mongod a replica set of one, as transactions need it."""

import time

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

NAME = "rs0"
ARGUMENTS = ("--replSet", NAME, "--setParameter", "transactionLifetimeLimitSeconds=5")
"""A transaction whose client was killed keeps its locks for its lifetime: a minute by default, five seconds here."""
ALREADY_INITIALIZED = 23


def initiate(address: str, *, member: str, timeout_s: float = 60) -> str:
    """Initiates the set at `address` ("host:port", as we reach it) with `member` (as the server reaches itself).

    Returns the URI for clients. Open them only after this: one that was open before keeps saying that sessions are
    not supported. Raises TimeoutError when there is no primary in time.
    """
    deadline = time.monotonic() + timeout_s
    client: MongoClient = MongoClient(f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=2_000)
    try:
        while time.monotonic() < deadline:
            try:
                _initiate_once(client, member)
                if client.admin.command("hello")["isWritablePrimary"]:
                    return f"mongodb://{address}/?replicaSet={NAME}&directConnection=true"
            except PyMongoError:
                pass  # not listening yet, or between two states: asked again below
            time.sleep(0.1)
    finally:
        client.close()
    raise TimeoutError(f"mongod at {address} did not become primary of {NAME} within {timeout_s:.0f} s")


def _initiate_once(client: MongoClient, member: str) -> None:
    try:
        client.admin.command("replSetInitiate", {"_id": NAME, "members": [{"_id": 0, "host": member}]})
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise
