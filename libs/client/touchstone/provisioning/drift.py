"""Compares broker and databases with what the topologies say of them, and changes nothing.

A queue or exchange is declared passively, so that a missing one is not made, and then actively with the arguments that
it should have: for one that exists the broker compares them and changes nothing. Of bindings AMQP tells nothing: they
are read from the broker's management API. See docs/adr/0019.
"""

import dataclasses
import http.client
from collections.abc import Iterable, Iterator
from typing import Any

import pika.exceptions

from touchstone.provisioning.broker_plan import Binding, BrokerPlan, broker_plan
from touchstone.provisioning.management import Management
from touchstone.provisioning.provision import chosen, databases, indexes_of, options_of, other_argument
from touchstone.rpc.blocking import Connection, open_connection
from touchstone_contracts.topology import ServiceTopology

PROVISION, CHANGE_A_QUEUE = "touchstone provision", "docs/runbooks/change-a-queue.md"
DROP_IT = "drop the index, then touchstone provision"
_NOT_FOUND = 404


@dataclasses.dataclass(frozen=True)
class Deviation:
    """One thing that is not as the topologies say, and the way out."""

    what: str
    found: str
    wanted: str
    way_out: str


@dataclasses.dataclass(frozen=True)
class Drift:
    """Everything that deviates, and what could not be compared, with the reason."""

    deviations: tuple[Deviation, ...]
    not_compared: tuple[str, ...] = ()


def find_drift(
    amqp_uri: str,
    mongo_uri: str,
    database_prefix: str,
    topologies: Iterable[ServiceTopology] | None = None,
    *,
    management_uri: str | None = None,
    wait_s: float = 30,
) -> Drift:
    """What deviates from `topologies` (default: of all installed services).

    `management_uri`: `http://user:password@host:port`; by default the broker's host and user, and the port 15672. Where
    the broker is reached by TLS there is no default: its password goes nowhere in clear.
    Raises ProvisioningFailed, BrokerUnreachable, BrokerRefused.
    """
    wanted = chosen(topologies)
    plan = broker_plan(wanted)
    with open_connection(amqp_uri, client_name="touchstone provision --check", wait_s=wait_s) as connection:
        found = list(_of_broker(connection, plan))
    not_compared = []
    try:
        there = _bindings(amqp_uri, management_uri)
        found += [_missing(f"binding {_told(b)}") for b in plan.bindings if b not in there]
    # or no such API is there
    except (OSError, ValueError, LookupError, TypeError, RecursionError, http.client.HTTPException) as error:
        not_compared.append(f"bindings: the broker's management API cannot be asked ({error})")
    with databases(mongo_uri, database_prefix, wanted, wait_s=wait_s) as each:
        found += [deviation for topology, database in each for deviation in _of_database(database, topology)]
    return Drift(tuple(found), tuple(not_compared))


def _of_broker(connection: Connection, plan: BrokerPlan) -> Iterator[Deviation]:
    for exchange in plan.exchanges.values():
        arguments = dict(exchange.arguments)
        yield from _compared(connection, "exchange", exchange.name, exchange_type=exchange.type, arguments=arguments)
    for queue in plan.queues.values():
        yield from _compared(connection, "queue", queue.name, arguments=dict(queue.arguments))


def _compared(connection: Connection, kind: str, name: str, **wanted: Any) -> Iterator[Deviation]:
    what = f"{kind} {name}"
    try:
        with connection.channel() as channel:
            declare = getattr(channel, f"{kind}_declare")
            declare(name, passive=True)
            declare(name, durable=True, **wanted)
    except pika.exceptions.ChannelClosedByBroker as error:
        other = other_argument(error.reply_text)
        if error.reply_code == _NOT_FOUND:
            yield _missing(what)
        elif other is None:  # no right to configure it, say
            yield Deviation(what, error.reply_text, "to be compared", "ask as the user that provisions")
        else:
            argument = other["argument"]
            yield Deviation(what, f"{argument} {other['found']}", f"{argument} {other['wanted']}", CHANGE_A_QUEUE)


def _missing(what: str) -> Deviation:
    return Deviation(what, "missing", "there", PROVISION)


def _told(binding: Binding) -> str:
    return f"{binding.exchange} -> {binding.queue} ({binding.routing_key})"


def _bindings(amqp_uri: str, management_uri: str | None) -> set[Binding]:
    """All bindings of queues. Raises what a server may cause that is no management API, or does not tell."""
    management = Management(amqp_uri, management_uri)
    rows = management.ask("GET", "bindings", management.virtual_host)
    if not isinstance(rows, list):
        raise ValueError("it does not list bindings")
    return {Binding(r["source"], r["destination"], r["routing_key"]) for r in rows if r["destination_type"] == "queue"}


def _of_database(database: Any, topology: ServiceTopology) -> Iterator[Deviation]:
    wanted = indexes_of(topology)
    there = {name: database[name].index_information() for name in {index.collection for index in wanted}}
    for index in wanted:
        what = f"index {database.name}.{index.collection}.{index.name}"
        found = there[index.collection].get(index.name)
        if found is None:
            yield _missing(what)
            continue
        options = {
            name: found[name] for name in ("unique", "partialFilterExpression", "expireAfterSeconds") if name in found
        }
        shown = {"key": list(found["key"]), **options}
        should = {"key": [tuple(key) for key in index.keys], **options_of(index)}
        if shown != should:
            yield Deviation(what, str(shown), str(should), DROP_IT)
