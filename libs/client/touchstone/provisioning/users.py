"""The broker's users: one for each service and one for everybody outside, each with the rights that it needs."""

import dataclasses
import http.client
import pathlib
import re
from collections.abc import Iterable, Sequence

from touchstone.provisioning.credentials import kept_password, user_name
from touchstone.provisioning.management import Management
from touchstone.provisioning.provision import ProvisioningFailed, chosen
from touchstone_contracts import topology as names
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import ServiceTopology

OUTSIDE = "outside"
"""Whoever calls, hands in and listens: members' and bodies' systems, the command line, the reconciler."""
NOTHING = "^$"


@dataclasses.dataclass(frozen=True)
class Rights:
    """Patterns of the names that a user may make, write to and read; by exchange, of routing keys."""

    configure: str
    write: str
    read: str
    topics: tuple[tuple[str, str, str], ...]
    """Exchange, routing keys that may be written, routing keys that may be bound; in the order of exchanges."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "topics", tuple(sorted(self.topics)))


def service_rights(topology: ServiceTopology) -> Rights:
    """A service reads its own queues; it writes its own exchanges, and answers to whoever called."""
    service = topology.service
    writes = [names.RPC_EXCHANGE, names.events_exchange(service), names.own_queues(service), names.dead_letter(service)]
    writes += [names.heartbeats(service)]
    writes += [names.retry_queue(service, delay_s) for delay_s in names.RETRY_DELAYS_S]
    reads = [names.rpc_queue(service), names.dead_letter(service), names.heard_from(service), *topology.queues]
    reads += [names.event_queue(service, event.type_name) for event in topology.receives]  # type: ignore[attr-defined]
    return Rights(NOTHING, _one_of(writes), _one_of(reads), ((names.RPC_EXCHANGE, _NO_CALL, NOTHING),))


def outside_rights(user: str, intakes: Iterable[str]) -> Rights:
    """Calls, hands in, and hears events without personal details, on queues that bear the user's name."""
    own = f"{re.escape(names.reply_prefix(user))}.*"
    events = {names.events_exchange(service): _heard_of(service) for service in SERVICES}
    return Rights(
        configure=f"^{own}$",
        write=f"^({own}|{_escaped([names.RPC_EXCHANGE, *intakes])})$",
        read=f"^({own}|{_escaped([names.RPC_EXCHANGE, *events])})$",
        topics=((names.RPC_EXCHANGE, _CALL, f"^{own}$"), *((name, NOTHING, keys) for name, keys in events.items())),
    )


_CALL = f"^({'|'.join(SERVICES)})\\.[^.]+$"
_NO_CALL = f"^(?!({'|'.join(SERVICES)})\\.).*$"


def _heard_of(service: str) -> str:
    return _one_of(names.public_routing_keys(service, REGISTRY.values()))


def _one_of(wanted: Sequence[str]) -> str:
    return f"^({_escaped(wanted)})$"


def _escaped(wanted: Iterable[str]) -> str:
    return "|".join(map(re.escape, wanted))


def provision_users(
    amqp_uri: str,
    prefix: str,
    folder: pathlib.Path,
    *,
    topologies: Iterable[ServiceTopology] | None = None,
    outsiders: Sequence[str] = (OUTSIDE,),
    management_uri: str | None = None,
) -> dict[str, str]:
    """Make each user with its rights, and its password in the file `<who>/amqp` in `folder`, where there is none yet.

    Gives the files by user. Whoever has no file any more has got a new password. Raises ProvisioningFailed and
    KeyUnusable.
    """
    wanted = chosen(topologies)
    intakes = [queue for topology in wanted for queue in topology.queues]
    rights = {topology.service: service_rights(topology) for topology in wanted}
    rights |= {who: outside_rights(user_name(prefix, who), intakes) for who in outsiders}
    made = {}
    try:
        management = Management(amqp_uri, management_uri)
        for who, may in rights.items():
            path = folder / who / "amqp"
            _make(management, user_name(prefix, who), kept_password(path, user_name(prefix, who)), may)
            made[user_name(prefix, who)] = str(path)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ProvisioningFailed([f"The broker's management API cannot make users: {error}"]) from error
    return made


def rights_there(management: Management) -> dict[str, Rights]:
    """The rights of every user of the virtual host, by name. Raises OSError, ValueError and LookupError."""
    topics: dict[str, list[tuple[str, str, str]]] = {}
    for row in management.ask("GET", "vhosts", management.virtual_host, "topic-permissions"):
        topics.setdefault(row["user"], []).append((row["exchange"], row["write"], row["read"]))
    return {
        row["user"]: Rights(row["configure"], row["write"], row["read"], tuple(topics.get(row["user"], ())))
        for row in management.ask("GET", "vhosts", management.virtual_host, "permissions")
    }


def _make(management: Management, user: str, password: str, may: Rights) -> None:
    management.ask("PUT", "users", user, password=password, tags="")
    rights = {"configure": may.configure, "write": may.write, "read": may.read}
    for exchange, write, read in may.topics:  # before anything is allowed
        topic = {"exchange": exchange, "write": write, "read": read}
        management.ask("PUT", "topic-permissions", management.virtual_host, user, **topic)
    management.ask("PUT", "permissions", management.virtual_host, user, **rights)
