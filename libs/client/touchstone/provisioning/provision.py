"""Makes broker and database ready for the services: exchanges, queues, bindings, indexes, document migrations.

Runs before any publisher, and again with every release: what exists already is left as it is. Several jobs may run at
once. With `database_users` and `backup` the only module that knows pymongo.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pika.exceptions
import pymongo
import pymongo.errors
from pymongo.database import Database

from touchstone.provisioning.broker_plan import BrokerPlan, broker_plan
from touchstone.rpc.blocking import Channel, Connection, open_connection
from touchstone.rpc.uris import redacted
from touchstone_contracts.bookkeeping import BOOKKEEPING_INDEXES, LEASES, MIGRATIONS
from touchstone_contracts.topology import Index, ServiceTopology

ENTRY_POINTS = "touchstone.services"
LEASE_S = 30
LEASE_WAIT_S = 600

_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for (?P<kind>queue|exchange) '(?P<name>[^']+)'.*?: "
    r"received (?P<wanted>.+?) but current is (?P<found>.+)$"
)
_WAY_OUT = (
    "Arguments cannot be changed in place: let the services drain it, delete it when it is empty and provision again, "
    "or give the new arguments a new name. See docs/runbooks/change-a-queue.md."
)


class ProvisioningFailed(Exception):
    """Broker or database could not be made ready; `problems` lists everything that stands in the way."""

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclasses.dataclass(frozen=True)
class ProvisionReport:
    """What now exists (all of it, not only what was missing), and which migrations this run carried out."""

    services: tuple[str, ...]
    exchanges: tuple[str, ...]
    queues: tuple[str, ...]
    bindings: tuple[str, ...]
    indexes: tuple[str, ...]
    migrations: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def counts(self) -> dict[str, str]:
        """For people: the services and migrations by name, the rest by number."""
        named = {
            name: ", ".join(names) or "none" for name, names in (("services", self.services), ("ran", self.migrations))
        }
        counted = {name: str(len(getattr(self, name))) for name in ("exchanges", "queues", "bindings", "indexes")}
        return {**named, **counted}


def installed_topologies() -> list[ServiceTopology]:
    """The topology of every service that is installed here, as its class has it (entry point `touchstone.services`)."""
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # what a service brings says so
        return [entry.load().topology for entry in sorted(found, key=lambda entry: entry.name)]


def provision(
    amqp_uri: str,
    mongo_uri: str,
    database_prefix: str,
    topologies: Iterable[ServiceTopology] | None = None,
    *,
    wait_s: float = 30,
) -> ProvisionReport:
    """Make ready what `topologies` (default: of all installed services) need; databases are `<prefix>_<service>`.

    Waits up to `wait_s` for broker and database to answer. Raises ProvisioningFailed, BrokerUnreachable, BrokerRefused.
    """
    wanted = chosen(topologies)
    plan = broker_plan(wanted)
    provision_broker(amqp_uri, plan, wait_s=wait_s)
    indexes, migrations = provision_databases(mongo_uri, database_prefix, wanted, wait_s=wait_s)
    return ProvisionReport(
        services=tuple(topology.service for topology in wanted),
        exchanges=tuple(plan.exchanges),
        queues=tuple(plan.queues),
        bindings=tuple(f"{b.exchange} -> {b.queue} ({b.routing_key})" for b in plan.bindings),
        indexes=tuple(indexes),
        migrations=tuple(migrations),
    )


def chosen(topologies: Iterable[ServiceTopology] | None) -> list[ServiceTopology]:
    """These, or those of all installed services. Raises ProvisioningFailed where there is none."""
    wanted = list(installed_topologies() if topologies is None else topologies)
    if not wanted:
        raise ProvisioningFailed([f"No service is installed here: nothing offers the entry point {ENTRY_POINTS!r}."])
    return wanted


def provision_broker(amqp_uri: str, plan: BrokerPlan, *, wait_s: float = 30) -> None:
    """Declare everything in `plan`; raises ProvisioningFailed naming every exchange and queue that differs."""
    with open_connection(amqp_uri, client_name="touchstone provision", wait_s=wait_s) as connection:
        declaring = _Declaring(connection)
        for exchange in plan.exchanges.values():
            wanted = {"exchange_type": exchange.type, "arguments": dict(exchange.arguments) or None}
            declaring.attempt("exchange_declare", exchange.name, durable=True, **wanted)
        for queue in plan.queues.values():
            declaring.attempt("queue_declare", queue.name, durable=True, arguments=dict(queue.arguments) or None)
        if not declaring.problems:
            for binding in plan.bindings:
                declaring.attempt("queue_bind", binding.queue, binding.exchange, binding.routing_key)
    if declaring.problems:
        raise ProvisioningFailed([*declaring.problems, _WAY_OUT])


class _Declaring:
    """A channel that is opened anew after each refusal (the broker closes it), and what was refused."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._channel: Channel = connection.channel()
        self.problems: list[str] = []

    def attempt(self, operation: str, *args: Any, **kwargs: Any) -> None:
        try:
            getattr(self._channel, operation)(*args, **kwargs)
        except pika.exceptions.ChannelClosedByBroker as error:
            self.problems.append(_explained(error.reply_text, f"{operation} {args[0]}"))
            self._channel = self._connection.channel()


def _explained(reply_text: str, what: str) -> str:
    other = other_argument(reply_text)
    if other is None:
        return f"{what}: {reply_text}"
    return (
        f"{other['kind']} {other['name']} exists with another {other['argument']}: "
        f"found {other['found']}, wanted {other['wanted']}."
    )


def other_argument(reply_text: str) -> dict[str, str] | None:
    """`kind`, `name`, `argument`, `found` and `wanted`, where the broker refuses an argument of what exists."""
    read = _INEQUIVALENT.search(reply_text)
    return read and {
        name: _plain(value) if name in ("found", "wanted") else value for name, value in read.groupdict().items()
    }


def _plain(value: str) -> str:
    """`7` for the broker's `'7'`, `x` for its `the value 'x' of type 'longstr'`."""
    quoted = re.search(r"'([^']*)'", value)
    return quoted[1] if quoted else value


def provision_databases(
    mongo_uri: str, prefix: str, topologies: Iterable[ServiceTopology], *, wait_s: float = 30
) -> tuple[list[str], list[str]]:
    """Create indexes and run the migrations that have not run; returns the names of both."""
    indexes: list[str] = []
    migrations: list[str] = []
    with databases(mongo_uri, prefix, topologies, wait_s=wait_s) as each:
        for topology, database in each:
            indexes += _create_indexes(database, indexes_of(topology))
            migrations += _run_migrations(database, topology)
    return indexes, migrations


def indexes_of(topology: ServiceTopology) -> list[Index]:
    """Those of the service's own collections and of what every service keeps."""
    return [*BOOKKEEPING_INDEXES, *topology.indexes]


@contextlib.contextmanager
def databases(
    mongo_uri: str, prefix: str, topologies: Iterable[ServiceTopology], *, wait_s: float
) -> Iterator[list[tuple[ServiceTopology, Database]]]:
    """The database of each service, for the block. What the database refuses there is a ProvisioningFailed."""
    wait_ms = int(max(wait_s, 1) * 1000)
    try:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            mongo_uri, serverSelectionTimeoutMS=wait_ms, appname="touchstone provision", tz_aware=True, w="majority"
        )
    except (pymongo.errors.PyMongoError, ValueError) as error:  # ValueError: a port that is none, say
        raise ProvisioningFailed([f"{redacted(mongo_uri)}: {error}"]) from error
    try:
        with client:
            _wait_until_it_is_primary(client, wait_s)
            yield [(topology, client[f"{prefix}_{topology.service}"]) for topology in topologies]
    except pymongo.errors.PyMongoError as error:
        raise ProvisioningFailed([f"{redacted(mongo_uri)}: {error}"]) from error


def _wait_until_it_is_primary(client: pymongo.MongoClient, wait_s: float) -> None:
    """Where the address says `directConnection`, the driver takes the server as it is: in its start, too."""
    until = time.monotonic() + wait_s
    while not client.is_primary:
        if time.monotonic() >= until:
            raise pymongo.errors.NotPrimaryError(f"it is no primary, nor became one within {wait_s:.0f} s")
        time.sleep(0.2)


def _create_indexes(database: Database, indexes: Iterable[Index]) -> list[str]:
    made: list[str] = []
    problems: list[str] = []
    for index in indexes:
        name = f"{database.name}.{index.collection}.{index.name}"
        try:
            database[index.collection].create_index(list(index.keys), name=index.name, **options_of(index))
        except pymongo.errors.DuplicateKeyError as error:
            problems.append(f"index {name} must be unique and the documents are not: {error.details}")
        except pymongo.errors.OperationFailure as error:
            problems.append(f"index {name} exists otherwise: {error}. Drop it and provision again. See docs/runbooks.")
        made.append(name)
    if problems:
        raise ProvisioningFailed(problems)
    return made


def options_of(index: Index) -> dict[str, Any]:
    """What pymongo's `create_index` takes beside the keys, and what `index_information` gives back."""
    options = {
        "unique": index.unique or None,
        "partialFilterExpression": None if index.partial is None else dict(index.partial),
        "expireAfterSeconds": index.expire_after_s,
    }
    return {name: value for name, value in options.items() if value is not None}


def _run_migrations(database: Database, topology: ServiceTopology) -> list[str]:
    """Run, oldest first, what is not recorded in `migrations`. One that died half-way runs again, and must allow it."""
    if not topology.migrations:
        return []
    carried_out: list[str] = []
    with _lease(database, "migrations"):
        done = {document["_id"] for document in database[MIGRATIONS].find({}, {"_id": 1})}
        for version in sorted(set(topology.migrations) - done):
            _migrate(database, version, topology.migrations[version])
            database[MIGRATIONS].insert_one({"_id": version, "ran_at": datetime.datetime.now(datetime.UTC)})
            carried_out.append(f"{database.name} {version}")
    return carried_out


def _migrate(database: Database, version: int, migration: Callable[[Database], None]) -> None:
    """A migration raises ValueError for what it was given and cannot use, a data file above all."""
    try:
        migration(database)
    except ValueError as error:
        raise ProvisioningFailed([f"Migration {version} of {database.name}: {error}"]) from error


@contextlib.contextmanager
def _lease(database: Database, name: str, *, wait_s: float = LEASE_WAIT_S) -> Iterator[None]:
    """Hold the lease `name` for the block, renewed in a thread. The database's clock decides, not ours."""
    holder = uuid.uuid4().hex
    until = time.monotonic() + wait_s
    while not _take(database, name, holder):
        if time.monotonic() >= until:
            raise ProvisioningFailed([f"Another job holds the lease {name!r} of {database.name} for {wait_s:.0f} s."])
        time.sleep(0.2)
    finished = threading.Event()
    renewing = threading.Thread(target=_renew, args=(database, name, holder, finished), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        finished.set()
        renewing.join()
        database[LEASES].delete_one({"_id": name, "holder": holder})


def _take(database: Database, name: str, holder: str) -> bool:
    """Take or renew. The server's `$$NOW` is not allowed in an upsert's filter: hence the row is made first."""
    never = datetime.datetime.fromtimestamp(0, datetime.UTC)
    with contextlib.suppress(pymongo.errors.DuplicateKeyError):
        database[LEASES].update_one({"_id": name}, {"$setOnInsert": {"until": never}}, upsert=True)
    free_or_ours = {"$or": [{"holder": holder}, {"$expr": {"$lt": ["$until", "$$NOW"]}}]}
    held = [{"$set": {"holder": holder, "until": {"$add": ["$$NOW", LEASE_S * 1000]}}}]
    return database[LEASES].find_one_and_update({"_id": name, **free_or_ours}, held) is not None


def _renew(database: Database, name: str, holder: str, finished: threading.Event) -> None:
    while not finished.wait(LEASE_S / 3):
        with contextlib.suppress(pymongo.errors.PyMongoError):  # the next renewal is due before the lease ends
            _take(database, name, holder)
