"""What is declared on the broker for a service."""

from types import SimpleNamespace

from touchstone.provisioning.broker_plan import Binding, broker_plan
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.events.membership import MembershipActivated, OrganisationRecorded
from touchstone_contracts.topology import RETRY_DELAYS_S, ServiceTopology


def test_a_service_gets_its_events_dead_letter_retry_and_rpc_places():
    plan = broker_plan([ServiceTopology(service="certification")])

    retries = {f"certification.retry.{delay_s}s.q2" for delay_s in RETRY_DELAYS_S}
    fanouts = {"certification.unconsumed", "certification.dead-letter"} | retries
    direct = {"certification.queues", "certification.returned"}
    assert set(plan.exchanges) == {"nameko-rpc", "certification.events", "certification.heartbeats"} | direct | fanouts
    assert set(plan.queues) == {"rpc-certification", "certification.unconsumed-records"} | fanouts
    assert {Binding(name, name) for name in fanouts} < set(plan.bindings)
    assert Binding("nameko-rpc", "rpc-certification", "certification.*") in plan.bindings
    assert Binding("certification.queues", "rpc-certification", "rpc-certification") in plan.bindings


def test_events_that_no_queue_takes_go_to_a_bounded_queue_that_drops_its_oldest():
    plan = broker_plan([ServiceTopology(service="certification")])

    assert plan.exchanges["certification.events"].arguments == {"alternate-exchange": "certification.unconsumed"}
    assert plan.queues["certification.unconsumed"].arguments["x-overflow"] == "drop-head"
    assert plan.queues["certification.unconsumed"].arguments["x-max-length"] > 0


def test_records_that_no_service_consumes_do_not_push_stories_out_of_what_nobody_consumes():
    plan = broker_plan([ServiceTopology(service="certification", consumes=[AuditAccepted])])

    bound = {b.routing_key for b in plan.bindings if b.queue == "certification.unconsumed-records"}
    assert bound == {"case_recorded.v1", "certificate_recorded.v1", "rule_set_published.v1"}
    short = plan.queues["certification.unconsumed-records"].arguments
    assert short["x-max-length"] < plan.queues["certification.unconsumed"].arguments["x-max-length"]


def test_a_record_that_a_service_consumes_and_one_with_contact_details_go_into_no_other_queue():
    consumer = ServiceTopology(service="certification", consumes=[OrganisationRecorded])

    plan = broker_plan([ServiceTopology(service="membership"), consumer])

    bound = {b.queue for b in plan.bindings if b.routing_key in ("organisation_recorded.v1", "contact_changed.v1")}
    assert bound == {"certification.membership.organisation_recorded.v1"}
    unconsumed = {b.routing_key for b in plan.bindings if b.queue == "membership.unconsumed-records"}
    assert unconsumed == {"obligations_published.v1", "entity_recorded.v1", "facility_recorded.v1"}


def test_a_consumed_event_gets_a_queue_bound_to_the_exchange_of_its_producer_even_if_that_is_not_installed():
    plan = broker_plan([ServiceTopology(service="certification", consumes=[AuditAccepted, MembershipActivated])])

    queue = "certification.assessment.audit_accepted.v1"
    assert Binding("assessment.events", queue, "audit_accepted.v1") in plan.bindings
    assert plan.queues[queue].arguments["x-dead-letter-exchange"] == "certification.dead-letter"
    assert {"assessment.events", "membership.events", "assessment.unconsumed"} <= set(plan.exchanges)
    assert "rpc-membership" not in plan.queues


def test_an_event_that_may_come_in_an_older_version_gets_a_queue_for_each():
    older = SimpleNamespace(type_name="scales.lot_weighed.v1", routing_key="lot_weighed.v1", producer="scales")
    newer = SimpleNamespace(
        type_name="scales.lot_weighed.v2", routing_key="lot_weighed.v2", producer="scales", replaces=older
    )

    plan = broker_plan([ServiceTopology(service="yard", consumes=[newer])])

    assert Binding("scales.events", "yard.scales.lot_weighed.v1", "lot_weighed.v1") in plan.bindings
    assert Binding("scales.events", "yard.scales.lot_weighed.v2", "lot_weighed.v2") in plan.bindings


def test_what_comes_back_from_a_retry_goes_to_its_queue_or_to_the_dead_letters():
    plan = broker_plan([ServiceTopology(service="certification", consumes=[AuditAccepted], queues=["extra"])])

    own = ("certification.assessment.audit_accepted.v1", "extra", "rpc-certification")
    returned = {b for b in plan.bindings if b.exchange == "certification.returned"}
    assert plan.queues["certification.retry.1s.q2"].arguments["x-dead-letter-exchange"] == "certification.returned"
    assert plan.exchanges["certification.returned"].arguments == {"alternate-exchange": "certification.dead-letter"}
    assert returned == {Binding("certification.returned", queue, queue) for queue in own}


def test_an_extra_queue_is_a_work_queue_without_a_binding():
    plan = broker_plan([ServiceTopology(service="assessment", queues=["assessment.intake"])])

    assert plan.queues["assessment.intake"].arguments["x-queue-type"] == "quorum"
    bound = {(b.exchange, b.routing_key) for b in plan.bindings if b.queue == "assessment.intake"}
    own = {("assessment.queues", "assessment.intake"), ("assessment.returned", "assessment.intake")}
    assert bound == {("assessment.intake", ""), *own}


def test_every_binding_names_an_exchange_and_a_queue_of_the_plan():
    plan = broker_plan([ServiceTopology(service="certification", consumes=[AuditAccepted], queues=["extra"])])

    assert {binding.exchange for binding in plan.bindings} <= set(plan.exchanges)
    assert {binding.queue for binding in plan.bindings} <= set(plan.queues)


def test_a_consumer_hears_the_heartbeats_of_its_producers_in_one_short_queue():
    plan = broker_plan([ServiceTopology(service="certification", consumes=[AuditAccepted, MembershipActivated])])

    heard = {binding.exchange for binding in plan.bindings if binding.queue == "certification.heard"}
    assert heard == {"assessment.heartbeats", "membership.heartbeats"}
    assert plan.queues["certification.heard"].arguments["x-max-length"] == 100


def test_what_comes_out_of_a_log_reaches_its_consumer_alone():
    plan = broker_plan([ServiceTopology(service=name, consumes=[AuditAccepted]) for name in ("a", "b")])

    bound = {binding.queue: binding.routing_key for binding in plan.bindings if "backfill" in binding.routing_key}
    assert bound == {
        "a.assessment.audit_accepted.v1": "backfill.a.audit_accepted.v1",
        "b.assessment.audit_accepted.v1": "backfill.b.audit_accepted.v1",
    }
