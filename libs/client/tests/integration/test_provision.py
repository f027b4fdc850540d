"""Provisioning against a real broker and a real database."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pymongo
import pytest

from touchstone.provisioning.broker_plan import broker_plan
from touchstone.provisioning.provision import ProvisioningFailed, provision, provision_databases
from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable, Channel, open_connection
from touchstone_contracts import topology as names
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import Index, ServiceTopology


def eventually(probe: Callable[[], Any], within_s: float = 10) -> Any:
    """The first true answer of `probe`; fails when there is none in time."""
    until = time.monotonic() + within_s
    while not (answer := probe()):
        assert time.monotonic() < until, f"{probe} did not come true in {within_s} s"
        time.sleep(0.02)
    return answer


@pytest.fixture
def channel(backing: Any) -> Iterator[Channel]:
    with open_connection(backing.amqp_uri) as connection:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened


@pytest.fixture
def service(backing: Any) -> Iterator[str]:
    """The name of a service that no other test has; what it leaves on the broker is deleted."""
    name = f"svc{uuid.uuid4().hex[:8]}"
    yield name
    plan = broker_plan([ServiceTopology(service=name)])
    with open_connection(backing.amqp_uri) as connection:
        opened = connection.channel()
        for queue in [*plan.queues, f"{name}.intake", f"{name}.assessment.audit_accepted.v1"]:
            opened.queue_delete(queue)
        for exchange in set(plan.exchanges) - {names.RPC_EXCHANGE}:
            opened.exchange_delete(exchange)


@pytest.fixture
def topology(service: str) -> ServiceTopology:
    return ServiceTopology(
        service=service,
        consumes=[AuditAccepted],
        queues=[f"{service}.intake"],
        indexes=[
            Index(collection="cases", keys=[("entity", 1)], unique=True, partial={"open": True}),
            Index(collection="cases", keys=[("state", 1), ("_id", 1)]),
        ],
    )


def ready(channel: Channel, queue: str) -> int:
    return channel.queue_declare(queue, passive=True).method.message_count


def test_provisioning_twice_changes_nothing(backing: Any, topology: ServiceTopology, database_prefix: str):
    first = provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])
    second = provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])

    assert first == second
    assert f"{topology.service}.assessment.audit_accepted.v1" in first.queues


def test_the_database_gets_the_indexes_of_the_service_and_of_the_bookkeeping(
    backing: Any, topology: ServiceTopology, database_prefix: str
):
    provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])

    with pymongo.MongoClient(backing.mongo_uri) as client:
        database = client[f"{database_prefix}_{topology.service}"]
        cases, inbox = database["cases"].index_information(), database["inbox"].index_information()
        outbox = database["outbox"].index_information()
    assert cases["entity_1"]["unique"] and cases["entity_1"]["partialFilterExpression"] == {"open": True}
    assert cases["state_1__id_1"]["key"] == [("state", 1), ("_id", 1)]
    assert inbox["expires_at_1"]["expireAfterSeconds"] == 0
    assert outbox["pending_1_next_attempt_at_1"]["partialFilterExpression"] == {"pending": True}


def test_an_event_reaches_the_queue_of_its_consumer_and_one_that_nobody_consumes_is_kept(
    backing: Any, channel: Channel, topology: ServiceTopology, service: str, database_prefix: str
):
    provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])
    channel.queue_bind(f"{service}.assessment.audit_accepted.v1", f"{service}.events", "wanted.v1")

    channel.basic_publish(f"{service}.events", "wanted.v1", b"{}", mandatory=True)
    channel.basic_publish(f"{service}.events", "nobody_cares.v1", b"{}", mandatory=True)

    eventually(lambda: ready(channel, f"{service}.assessment.audit_accepted.v1") == 1)
    eventually(lambda: ready(channel, f"{service}.unconsumed") == 1)


def test_a_message_put_aside_returns_to_the_queue_that_its_routing_key_names(
    backing: Any, channel: Channel, topology: ServiceTopology, service: str, database_prefix: str
):
    provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])
    queue, properties = (
        f"{service}.intake",
        pika.BasicProperties(delivery_mode=2, message_id="m1", headers={"tries": 1}),
    )

    for _ in range(3):  # as often as a handler that fails again and again, its x-death headers carried along
        channel.basic_publish(names.retry_queue(service, 1), queue, b"again", properties, mandatory=True)
        assert ready(channel, queue) == 0
        method, properties, body = eventually(lambda: _got(channel, queue))
        channel.basic_ack(method.delivery_tag)

    assert (body, properties.message_id, properties.headers["tries"]) == (b"again", "m1", 1)
    assert ready(channel, names.retry_queue(service, 1)) == 0


def _got(channel: Channel, queue: str) -> tuple[Any, Any, Any] | None:
    method, properties, body = channel.basic_get(queue)
    return (method, properties, body) if method else None


def test_a_rejected_message_ends_in_the_dead_letter_queue_and_survives_being_looked_at(
    backing: Any, channel: Channel, topology: ServiceTopology, service: str, database_prefix: str
):
    provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])
    channel.basic_publish("", f"{service}.intake", b"hopeless", mandatory=True)

    method, _, _ = eventually(lambda: _got(channel, f"{service}.intake"))
    channel.basic_reject(method.delivery_tag, requeue=False)
    for _ in range(30):
        method, properties, body = eventually(lambda: _got(channel, f"{service}.dead-letter"))
        channel.basic_nack(method.delivery_tag, requeue=True)

    assert body == b"hopeless"
    assert properties.headers["x-first-death-queue"] == f"{service}.intake"


def test_every_queue_with_other_arguments_is_named_with_what_was_found_and_wanted(
    backing: Any, channel: Channel, topology: ServiceTopology, service: str, database_prefix: str
):
    channel.queue_declare(f"{service}.intake", durable=True)
    channel.queue_declare(
        f"rpc-{service}", durable=True, arguments=names.work_queue_arguments(service) | {"x-delivery-limit": 7}
    )

    with pytest.raises(ProvisioningFailed) as failed:
        provision(backing.amqp_uri, backing.mongo_uri, database_prefix, [topology])

    message = str(failed.value)
    assert f"queue {service}.intake exists with another x-" in message
    assert f"queue rpc-{service} exists with another x-delivery-limit: found 7, wanted 50" in message
    assert "docs/runbooks" in message


def test_an_index_that_exists_otherwise_is_named(backing: Any, topology: ServiceTopology, database_prefix: str):
    with pymongo.MongoClient(backing.mongo_uri) as client:
        client[f"{database_prefix}_{topology.service}"]["cases"].create_index([("entity", 1)], name="entity_1")

    with pytest.raises(ProvisioningFailed, match=r"index .*\.cases\.entity_1 exists otherwise"):
        provision_databases(backing.mongo_uri, database_prefix, [topology])


def test_a_migration_runs_once_although_two_jobs_run_at_the_same_time(backing: Any, database_prefix: str):
    runs: list[int] = []
    both = threading.Barrier(2, timeout=10)
    topology = ServiceTopology(
        service="migrating", migrations={2: lambda database: runs.append(2), 1: lambda database: runs.append(1)}
    )

    def job() -> None:
        both.wait()
        provision_databases(backing.mongo_uri, database_prefix, [topology])

    jobs = [threading.Thread(target=job) for _ in range(2)]
    for started in jobs:
        started.start()
    for started in jobs:
        started.join(timeout=30)

    assert runs == [1, 2]


def test_a_migration_that_failed_runs_again(backing: Any, database_prefix: str):
    runs: list[str] = []

    def migrate(database: Any) -> None:
        runs.append(database.name)
        if len(runs) == 1:
            raise RuntimeError("half-way")

    topology = ServiceTopology(service="migrating", migrations={1: migrate})
    with pytest.raises(RuntimeError):
        provision_databases(backing.mongo_uri, database_prefix, [topology])

    _, carried_out = provision_databases(backing.mongo_uri, database_prefix, [topology])

    assert carried_out == [f"{database_prefix}_migrating 1"]
    assert len(runs) == 2


def test_what_a_migration_cannot_use_is_said_in_its_words(backing: Any, database_prefix: str):
    def migrate(database: Any) -> None:
        raise ValueError("standards/ps.json cannot be used: there are 61 criteria.")

    topology = ServiceTopology(service="migrating", migrations={1: migrate})

    with pytest.raises(ProvisioningFailed, match=r"Migration 1 of .*_migrating: standards/ps\.json cannot be used"):
        provision_databases(backing.mongo_uri, database_prefix, [topology])


def test_a_broker_that_is_not_there_and_one_that_refuses_us_are_told_apart_and_no_password_is_shown(backing: Any):
    with pytest.raises(BrokerUnreachable) as unreachable, open_connection("amqp://u:secret@127.0.0.1:1/"):
        pass
    wrong = backing.amqp_uri.replace("://", "://nobody:secret@").replace("@guest:guest@", "@")
    with pytest.raises(BrokerRefused) as refused, open_connection(wrong):
        pass

    assert "secret" not in str(unreachable.value) + str(refused.value)
