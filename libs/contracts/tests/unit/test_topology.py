"""The names and arguments on the broker, which nobody may change once queues exist."""

import pytest

from touchstone_contracts import topology
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import Index, ServiceTopology


def test_names_are_as_published() -> None:
    assert topology.events_exchange("assessment") == "assessment.events"
    assert (
        topology.event_queue("certification", AuditAccepted.type_name) == "certification.assessment.audit_accepted.v1"
    )
    assert topology.rpc_queue("certification") == "rpc-certification"
    assert topology.dead_letter("certification") == "certification.dead-letter"
    assert topology.retry_queue("certification", 30) == "certification.retry.30s.q2"
    assert topology.returned("certification") == "certification.returned"
    assert topology.unconsumed("assessment") == "assessment.unconsumed"
    assert topology.unconsumed_records("assessment") == "assessment.unconsumed-records"


def test_a_work_queue_is_a_quorum_queue_that_never_drops() -> None:
    arguments = topology.work_queue_arguments("certification")

    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-dead-letter-exchange"] == "certification.dead-letter"
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"
    assert arguments["x-delivery-limit"] >= 20


def test_a_retry_queue_returns_a_message_to_the_queue_that_its_routing_key_names() -> None:
    arguments = topology.retry_queue_arguments("certification", 30)

    assert arguments["x-message-ttl"] == 30_000
    assert arguments["x-dead-letter-exchange"] == topology.returned("certification")
    assert arguments["x-dead-letter-strategy"] == "at-least-once"


def test_a_retry_queue_is_known_by_its_name() -> None:
    assert topology.is_retry_queue(topology.retry_queue("certification", 30))
    assert not topology.is_retry_queue(topology.event_queue("certification", AuditAccepted.type_name))


def test_retries_wait_longer_each_time_and_end() -> None:
    assert list(topology.RETRY_DELAYS_S) == sorted(set(topology.RETRY_DELAYS_S))
    assert max(topology.RETRY_DELAYS_S) <= 600


@pytest.mark.parametrize(
    ("keys", "name"), [([("audit_id", 1)], "audit_id_1"), ([("party", 1), ("sent_at", -1)], "party_1_sent_at_-1")]
)
def test_an_index_is_named_after_its_keys(keys: list[tuple[str, int]], name: str) -> None:
    assert Index(collection="notices", keys=keys).name == name


def test_a_collection_is_a_services_own_by_its_name_or_by_its_index() -> None:
    indexes = [Index(collection="lots", keys=[("place", 1)]), Index(collection="lots", keys=[("mass", -1)])]

    found = ServiceTopology(service="yard", collections=["lots", "gates"], indexes=indexes).own_collections

    assert found == ("gates", "lots")
