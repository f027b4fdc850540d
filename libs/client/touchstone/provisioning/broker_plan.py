"""Everything that has to exist on the broker, worked out from the topologies of the services; no I/O."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import touchstone_contracts.events  # noqa: F401 - registers all events
from touchstone_contracts import topology as names
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import ServiceTopology

_UNCONSUMED_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-max-length": names.UNCONSUMED_LENGTH_MAX,
    "x-overflow": "drop-head",
}

_UNCONSUMED_RECORDS_ARGUMENTS = _UNCONSUMED_ARGUMENTS | {"x-max-length": names.UNCONSUMED_RECORDS_MAX}


@dataclasses.dataclass(frozen=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


@dataclasses.dataclass(frozen=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


@dataclasses.dataclass(frozen=True)
class Binding:
    exchange: str
    queue: str
    routing_key: str = ""


@dataclasses.dataclass
class BrokerPlan:
    """Exchanges, queues and bindings by name, in the order in which they can be declared."""

    exchanges: dict[str, Exchange] = dataclasses.field(default_factory=dict)
    queues: dict[str, Queue] = dataclasses.field(default_factory=dict)
    bindings: dict[Binding, None] = dataclasses.field(default_factory=dict)

    def add_fanout(self, name: str, arguments: Mapping[str, Any]) -> None:
        """A fanout exchange with one queue of the same name behind it."""
        self.exchanges[name] = Exchange(name, "fanout")
        self.add_queue(name, arguments, exchange=name)

    def add_queue(self, name: str, arguments: Mapping[str, Any], *, exchange: str = "", routing_key: str = "") -> None:
        self.queues[name] = Queue(name, arguments)
        if exchange:
            self.bindings[Binding(exchange, name, routing_key)] = None

    def add_work_queue(self, service: str, name: str, *, exchange: str = "", routing_key: str = "") -> None:
        """A queue that a service works at, and can put something into itself, at once or after a while."""
        self.add_queue(name, names.work_queue_arguments(service), exchange=exchange, routing_key=routing_key)
        for own in (names.own_queues(service), names.returned(service)):
            self.bindings[Binding(own, name, name)] = None


def broker_plan(topologies: Iterable[ServiceTopology]) -> BrokerPlan:
    """The plan for these services, and for the event exchanges of producers that they listen to."""
    plan = BrokerPlan()
    plan.exchanges[names.RPC_EXCHANGE] = Exchange(names.RPC_EXCHANGE, "topic")
    wanted = list(topologies)
    for topology in wanted:
        _add_service(plan, topology)
    _add_unconsumed_records(plan, wanted)
    return plan


def _add_service(plan: BrokerPlan, topology: ServiceTopology) -> None:
    service = topology.service
    _add_producer(plan, service)
    dead_letter, returned = names.dead_letter(service), names.returned(service)
    plan.exchanges[names.own_queues(service)] = Exchange(names.own_queues(service), "direct")
    plan.exchanges[returned] = Exchange(returned, "direct", {"alternate-exchange": dead_letter})
    plan.add_fanout(dead_letter, names.dead_letter_arguments())
    for delay_s in names.RETRY_DELAYS_S:
        plan.add_fanout(names.retry_queue(service, delay_s), names.retry_queue_arguments(service, delay_s))
    plan.add_work_queue(service, names.rpc_queue(service), exchange=names.RPC_EXCHANGE, routing_key=f"{service}.*")
    receives: tuple[Any, ...] = topology.receives
    for event in receives:
        _add_producer(plan, event.producer)
        plan.add_work_queue(
            service,
            names.event_queue(service, event.type_name),
            exchange=names.events_exchange(event.producer),
            routing_key=event.routing_key,
        )
        out_of_the_log = names.backfill_key(service, event)
        plan.bindings[
            Binding(names.events_exchange(event.producer), names.event_queue(service, event.type_name), out_of_the_log)
        ] = None
    if receives:
        plan.queues[names.heard_from(service)] = Queue(names.heard_from(service), names.heartbeats_queue_arguments())
    for producer in sorted({event.producer for event in receives}):
        plan.bindings[Binding(names.heartbeats(producer), names.heard_from(service))] = None
    for queue in topology.queues:  # behind an exchange of the same name, to which outsiders may write
        plan.exchanges[queue] = Exchange(queue, "fanout")
        plan.add_work_queue(service, queue, exchange=queue)


def _add_producer(plan: BrokerPlan, service: str) -> None:
    unconsumed = names.unconsumed(service)
    plan.add_fanout(unconsumed, _UNCONSUMED_ARGUMENTS)
    plan.exchanges[names.heartbeats(service)] = Exchange(names.heartbeats(service), "fanout")
    events = names.events_exchange(service)
    plan.exchanges[events] = Exchange(events, "topic", {"alternate-exchange": unconsumed})


def _add_unconsumed_records(plan: BrokerPlan, topologies: Sequence[ServiceTopology]) -> None:
    """A short queue for the records of each service that none consumes; of those with contact details, none."""
    received: list[Any] = [event for topology in topologies for event in topology.receives]
    consumed, services = {event.type_name for event in received}, {topology.service for topology in topologies}
    registered: list[Any] = list(REGISTRY.values())
    for event in (made for made in registered if made.record and not made.personal):
        if event.producer in services and event.type_name not in consumed:
            plan.add_queue(
                names.unconsumed_records(event.producer),
                _UNCONSUMED_RECORDS_ARGUMENTS,
                exchange=names.events_exchange(event.producer),
                routing_key=event.routing_key,
            )
