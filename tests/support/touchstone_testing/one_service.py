"""Provisions a broker and a database for one service that a test runs alone, among neighbours that do not run."""

from collections.abc import Iterable

from touchstone.provisioning.broker_plan import BrokerPlan, broker_plan
from touchstone.provisioning.provision import provision_broker, provision_databases
from touchstone_contracts.topology import RETRY_DELAYS_S, ServiceTopology, dead_letter, retry_queue, rpc_queue


def provision_for(
    service: ServiceTopology, amqp_uri: str, mongo_uri: str, database_prefix: str, neighbours: Iterable[ServiceTopology]
) -> None:
    """All that the service needs, and of its neighbours the queues that its events go to. Safe to repeat."""
    provision_broker(amqp_uri, plan_for(service, list(neighbours)))
    provision_databases(mongo_uri, database_prefix, [service])


def plan_for(service: ServiceTopology, neighbours: list[ServiceTopology]) -> BrokerPlan:
    plan = broker_plan([*neighbours, service])
    idle = {
        name
        for neighbour in (topology.service for topology in neighbours)
        for name in (
            dead_letter(neighbour),
            rpc_queue(neighbour),
            *(retry_queue(neighbour, delay_s) for delay_s in RETRY_DELAYS_S),
        )
    }
    plan.queues = {name: queue for name, queue in plan.queues.items() if name not in idle}
    plan.bindings = {binding: None for binding in plan.bindings if binding.queue not in idle}
    return plan
