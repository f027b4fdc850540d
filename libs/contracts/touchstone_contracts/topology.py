"""Names and arguments of everything on the broker, and what one service needs of broker and database."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from touchstone_contracts.versions import versions

RPC_EXCHANGE = "nameko-rpc"
DELIVERY_LIMIT = 50
RETRY_DELAYS_S = (1, 5, 30, 120, 600)
UNCONSUMED_LENGTH_MAX = 10_000
UNCONSUMED_RECORDS_MAX = 100


def events_exchange(service: str) -> str:
    return f"{service}.events"


def heartbeats(service: str) -> str:
    """Fanout exchange by which a producer says how many events it has committed."""
    return f"{service}.heartbeats"


def heartbeats_queue_arguments() -> dict[str, Any]:
    """Only the newest count, and what is ten seconds old is of no use."""
    return {"x-queue-type": "quorum", "x-max-length": 100, "x-overflow": "drop-head", "x-message-ttl": 10_000}


def heard_from(service: str) -> str:
    """The queue in which a consumer hears the heartbeats of its producers."""
    return f"{service}.heard"


def unconsumed(service: str) -> str:
    """Alternate exchange of a service's events, and the bounded queue behind it: what nobody consumes yet."""
    return f"{service}.unconsumed"


def unconsumed_records(service: str) -> str:
    """The short queue of a service's records that no service consumes: they would push stories out of `unconsumed`."""
    return f"{service}.unconsumed-records"


def event_queue(consumer: str, type_name: str) -> str:
    return f"{consumer}.{type_name}"


def backfill_key(consumer: str, event: Any) -> str:
    """By which an event out of the log reaches one consumer, and no other."""
    return f"backfill.{consumer}.{event.routing_key}"


def own_queues(service: str) -> str:
    """Direct exchange by which a service, and nobody else, puts something into one of its own queues."""
    return f"{service}.queues"


def reply_prefix(user: str) -> str:
    """How the queues begin that a broker user may make, and the routing keys of answers that it may hear."""
    return f"reply.{user}."


def public_routing_keys(service: str, events: Iterable[Any]) -> list[str]:
    """Of the events of a service that anybody may hear who has a broker user: those without personal details."""
    return sorted({event.routing_key for event in events if event.producer == service and not event.personal})


def rpc_queue(service: str) -> str:
    return f"rpc-{service}"


def dead_letter(service: str) -> str:
    """Exchange and queue of what a service gave up."""
    return f"{service}.dead-letter"


def retry_queue(service: str, delay_s: int) -> str:
    """Exchange and queue that hold a message for `delay_s` seconds and then return it to the queue it names.

    Those of 0.1, without the `.q2`, returned by the default exchange: it has no place for what its queue is gone for.
    """
    return f"{service}.retry.{delay_s}s.q2"


def is_retry_queue(name: str) -> bool:
    return bool(re.fullmatch(r".+\.retry\.[0-9]+s\.q2", name))


def returned(service: str) -> str:
    """Direct exchange by which retry queues return; what has no queue any more goes to the dead letters."""
    return f"{service}.returned"


def work_queue_arguments(service: str) -> dict[str, Any]:
    """A quorum queue whose hopeless messages reach the service's dead-letter exchange at least once."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": dead_letter(service),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def dead_letter_arguments() -> dict[str, Any]:
    """The default limit of RabbitMQ 4 is 20 deliveries. Looking at a dead letter is a delivery: it must survive all."""
    return {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}


def retry_queue_arguments(service: str, delay_s: int) -> dict[str, Any]:
    """Expired messages return by their routing key, the queue that they came from.

    What has nowhere to go would stay at the head, and from 32 of those on the broker moves nothing any more: hence an
    exchange with an alternate.
    """
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": delay_s * 1000,
        "x-dead-letter-exchange": returned(service),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """One index of a collection: `keys` as (field, 1 or -1) pairs, the rest as pymongo's create_index takes it."""

    collection: str
    keys: Sequence[tuple[str, int]]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    expire_after_s: int | None = None

    @property
    def name(self) -> str:
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceTopology:
    """What one service needs: the events that it consumes, its extra queues, its collections, its document migrations.

    `consumes` names each event in the version that its handler takes. `collections` names those of its own that have no
    index. `migrations` maps a schema version to a function of a pymongo database that brings documents up to it.
    """

    service: str
    consumes: Sequence[type] = ()
    queues: Sequence[str] = ()
    collections: Sequence[str] = ()
    indexes: Sequence[Index] = ()
    migrations: Mapping[int, Any] = dataclasses.field(default_factory=dict)

    @property
    def receives(self) -> tuple[type, ...]:
        """What it consumes, in every version that may come: each has a queue of its own."""
        return tuple(version for event in self.consumes for version in versions(event))

    @property
    def own_collections(self) -> tuple[str, ...]:
        """All that it may read and write beside what every service keeps (see `bookkeeping`)."""
        return tuple(sorted({*self.collections, *(index.collection for index in self.indexes)}))
