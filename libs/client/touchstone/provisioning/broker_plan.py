"""Everything that has to exist on the broker, worked out from the topologies of the services; no I/O."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from touchstone_contracts import topology as names
from touchstone_contracts.topology import ServiceTopology

_UNCONSUMED_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-max-length": names.UNCONSUMED_LENGTH_MAX,
    "x-overflow": "drop-head",
}


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


def broker_plan(topologies: Iterable[ServiceTopology]) -> BrokerPlan:
    """The plan for these services, and for the event exchanges of producers that they listen to."""
    plan = BrokerPlan()
    plan.exchanges[names.RPC_EXCHANGE] = Exchange(names.RPC_EXCHANGE, "topic")
    for topology in topologies:
        _add_service(plan, topology)
    return plan


def _add_service(plan: BrokerPlan, topology: ServiceTopology) -> None:
    service = topology.service
    work = names.work_queue_arguments(service)
    _add_producer(plan, service)
    plan.add_fanout(names.dead_letter(service), names.dead_letter_arguments())
    for delay_s in names.RETRY_DELAYS_S:
        plan.add_fanout(names.retry_queue(service, delay_s), names.retry_queue_arguments(delay_s))
    plan.add_queue(names.rpc_queue(service), work, exchange=names.RPC_EXCHANGE, routing_key=f"{service}.*")
    event: Any
    for event in topology.receives:
        _add_producer(plan, event.producer)
        plan.add_queue(
            names.event_queue(service, event.type_name),
            work,
            exchange=names.events_exchange(event.producer),
            routing_key=event.routing_key,
        )
    for queue in topology.queues:
        plan.add_queue(queue, work)


def _add_producer(plan: BrokerPlan, service: str) -> None:
    unconsumed = names.unconsumed(service)
    plan.add_fanout(unconsumed, _UNCONSUMED_ARGUMENTS)
    events = names.events_exchange(service)
    plan.exchanges[events] = Exchange(events, "topic", {"alternate-exchange": unconsumed})
