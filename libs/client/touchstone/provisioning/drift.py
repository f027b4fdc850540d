"""Compares broker, databases and their users with what the topologies say of them, and changes nothing.

A queue or exchange is declared passively, so that a missing one is not made, and then actively with the arguments that
it should have: for one that exists the broker compares them and changes nothing. Of bindings and users AMQP tells
nothing: they are read from the broker's management API. See docs/adr/0019. Users are compared where there are any.
"""

import dataclasses
import http.client
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pika.exceptions

from touchstone.provisioning import database_users
from touchstone.provisioning import users as broker_users
from touchstone.provisioning.broker_plan import Binding, BrokerPlan, broker_plan
from touchstone.provisioning.credentials import user_name
from touchstone.provisioning.management import Management
from touchstone.provisioning.provision import chosen, databases, indexes_of, options_of, other_argument
from touchstone.rpc.blocking import Connection, open_connection
from touchstone_contracts.topology import ServiceTopology

PROVISION, CHANGE_A_QUEUE = "touchstone provision", "docs/runbooks/change-a-queue.md"
DROP_IT = "drop the index, then touchstone provision"
PROVISION_USERS = "touchstone provision --users FOLDER"
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
    asked_for = "bindings and users"
    try:
        management = Management(amqp_uri, management_uri)
        there = _bindings(management)
        found += [_missing(f"binding {_told(b)}") for b in plan.bindings if b not in there]
        asked_for = "users"
        found += _of_broker_users(broker_users.rights_there(management), database_prefix, wanted)
    # or no such API is there
    except (OSError, ValueError, LookupError, TypeError, RecursionError, http.client.HTTPException) as error:
        not_compared.append(f"{asked_for}: the broker's management API cannot be asked ({error})")
    with databases(mongo_uri, database_prefix, wanted, wait_s=wait_s) as each:
        found += [deviation for topology, database in each for deviation in _of_database(database, topology)]
        try:
            found += _of_database_users(each[0][1].client, database_prefix, wanted)
        except database_users.UsersForbidden as error:
            not_compared.append(f"users of the database: {error}")
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


def _bindings(management: Management) -> set[Binding]:
    """All bindings of queues. Raises what a server may cause that is no management API, or does not tell."""
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


def _of_broker_users(
    there: Mapping[str, broker_users.Rights], prefix: str, wanted: Sequence[ServiceTopology]
) -> Iterator[Deviation]:
    should = {user_name(prefix, topology.service): broker_users.service_rights(topology) for topology in wanted}
    outside = user_name(prefix, broker_users.OUTSIDE)
    if outside in there:
        intakes = [queue for topology in wanted for queue in topology.queues]
        should[outside] = broker_users.outside_rights(outside, intakes)
    yield from _of_users(
        "broker user",
        {name: dataclasses.asdict(rights) for name, rights in there.items()},
        {name: dataclasses.asdict(rights) for name, rights in should.items()},
    )


def _of_database_users(client: Any, prefix: str, wanted: Sequence[ServiceTopology]) -> Iterator[Deviation]:
    should = {user_name(prefix, t.service): database_users.service_rights(prefix, t) for t in wanted}
    there = database_users.rights_there(client[database_users.USERS_DATABASE], should)
    yield from _of_users("database user", _listed(there), _listed(should))


def _listed(rights: Mapping[str, database_users.Rights]) -> dict[str, dict[str, str]]:
    return {
        name: {place: ", ".join(sorted(actions)) for place, actions in places.items()}
        for name, places in rights.items()
    }


def _of_users(
    kind: str, there: Mapping[str, Mapping[str, Any]], should: Mapping[str, Mapping[str, Any]]
) -> Iterator[Deviation]:
    """Where rights are otherwise, and who is missing; an installation may have no users at all."""
    if not there.keys() & should.keys():
        return
    for name, rights in should.items():
        what, found = f"{kind} {name}", there.get(name)
        if found is None:
            yield Deviation(what, "missing", "there", PROVISION_USERS)
        elif other := [right for right in sorted({*rights, *found}) if rights.get(right) != found.get(right)]:
            yield Deviation(what, _shown(found, other), _shown(rights, other), PROVISION_USERS)


def _shown(rights: Mapping[str, Any], which: Sequence[str]) -> str:
    return "; ".join(f"{right}: {rights.get(right) or 'nothing'}" for right in which)
