"""Makes mongod a replica set, as transactions need it: of one member, or of several."""

import contextlib
import urllib.parse
from collections.abc import Sequence

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from touchstone_devkit.eventually import awaited

NAME = "rs0"
ARGUMENTS = (
    *("--replSet", NAME, "--setParameter", "transactionLifetimeLimitSeconds=5"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),  # once a second, and nobody here reads it
)
"""A transaction whose client was killed keeps its locks for its lifetime: a minute by default, five seconds here."""
FOLLOWING_ARGUMENTS = (
    *("--setParameter", "oplogNetworkTimeoutBufferSeconds=1"),
    *("--setParameter", "oplogFetcherSteadyStateMaxFetcherRestarts=0"),
)
"""For one of several: a member that follows a primary which has frozen looks for another after about three seconds. By
default after some fifteen, and as long no majority acknowledges what the new primary writes."""
ELECTION_TIMEOUT_MS = 5_000
"""So long the others wait for a primary that is silent. The default, ten seconds, leaves little of the fifteen within
which work has to go on."""
CATCH_UP_TIMEOUT_MS = 2_000
"""So long a new primary asks the others for what it lacks. By default for ever: a member that is stopped and keeps its
connections open then holds it up for another ten seconds. What a majority has acknowledged it has already."""
HEARTBEAT_INTERVAL_MS = 500
"""So often members tell each other how far they are. One that followed a primary which froze reports to it for as long
as it is frozen: until then the new primary knows from heartbeats alone what a majority has, and a commit takes that
long."""
ALREADY_INITIALIZED = 23


def initiate(address: str, *, member: str, others: Sequence[str] = (), timeout_s: float = 60) -> str:
    """Initiates the set at `address` ("host:port", as we reach it) with `member` (as the server reaches itself).

    `others` are further members, as servers and clients reach them; the one at `address` becomes the first primary.
    Returns the URI for clients. Raises TimeoutError when there is no primary in time.
    """
    client: MongoClient

    def is_primary() -> bool:
        _initiate_once(client, [member, *others])
        return bool(client.admin.command("hello")["isWritablePrimary"])

    with MongoClient(f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=2_000) as client:
        # an error: not listening yet, or between two states
        slow = f"mongod at {address} did not become primary of {NAME}"
        awaited(is_primary, slow, timeout_s, ignoring=(PyMongoError,))
    uri = f"mongodb://{','.join([address, *others])}/?replicaSet={NAME}"
    # By itself a client goes by the names that the set has for its members: that of one in a container leads nowhere.
    return uri if member == address else directly(uri)


def directly(uri: str) -> str:
    """For clients that are to talk with the server at this very address, whatever the set calls it."""
    parts = urllib.parse.urlsplit(uri)
    options = dict(urllib.parse.parse_qsl(parts.query)) | {"directConnection": "true"}
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(options)))


def _initiate_once(client: MongoClient, members: Sequence[str]) -> None:
    listed = [{"_id": number, "host": host} for number, host in enumerate(members)]
    settings = {"electionTimeoutMillis": ELECTION_TIMEOUT_MS, "catchUpTimeoutMillis": CATCH_UP_TIMEOUT_MS}
    if len(members) > 1:
        settings["heartbeatIntervalMillis"] = HEARTBEAT_INTERVAL_MS
    config = {"_id": NAME, "members": listed, "settings": settings}
    try:
        client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise


def make_administrator(address: str, credentials: str) -> None:
    """The first user of a set that asks for one; until there is one, whoever comes from the same machine may make it.

    https://www.mongodb.com/docs/manual/core/localhost-exception/
    """
    user, _, password = credentials.partition(":")
    client: MongoClient
    with MongoClient(f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=2_000) as client:
        client.admin.command("createUser", user, pwd=password, roles=["root"], writeConcern={"w": "majority"})


def drop_users(mongo_uri: str, prefix: str) -> None:
    """An installation's users and their roles, as `touchstone provision --users` made them; none where it may not."""
    client: MongoClient
    with MongoClient(mongo_uri) as client, contextlib.suppress(OperationFailure):
        users = [user["user"] for user in client.admin.command("usersInfo")["users"]]
        for name in (name for name in users if name.startswith(f"{prefix}-")):
            client.admin.command("dropUser", name)
            client.admin.command("dropRole", name)


def drop_databases(mongo_uri: str, prefix: str) -> None:
    """Every database `<prefix>_*`."""
    client: MongoClient
    with MongoClient(mongo_uri) as client:
        for name in client.list_database_names():
            if name.startswith(f"{prefix}_"):
                client.drop_database(name)
