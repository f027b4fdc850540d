"""Whoever can publish to the broker still gets no certificate issued: an event counts if its producer signed it."""

from collections.abc import Callable

import pytest

from touchstone_contracts.topology import event_queue
from touchstone_devkit.chaos import forging
from touchstone_devkit.demo.register import OPERATOR
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World
from touchstone_devkit.eventually import eventually


@pytest.mark.parametrize("reason", forging.REASONS)
def test_an_acceptance_that_assessment_did_not_tell_of_leads_to_nothing_and_is_told(
    scheme: Scheme, new_world: Callable[[str], World], reason: str
) -> None:
    true = new_world("a minor, plan approved")
    outcome = scheme.travel(true)
    (accepted,) = scheme.wire_tap.about(str(outcome.audit_id), forging.ACCEPTED)

    forgery = forging.forge(scheme.amqp_uri, accepted, reason)

    letter = eventually(lambda: forging.letter_of(scheme, forgery), within_s=30)
    reception = forging.received(scheme, forgery)
    certificates = scheme.register.every(None, "certification.list_certificates", member_id=true.case.member_id)
    notices = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=forgery.audit_id)
    forging.discard(scheme, reception)
    assert (letter["queue"], letter["reason"]) == (event_queue("certification", forging.ACCEPTED), reason)
    assert [c["number"] for c in certificates] == [outcome.certificate["number"]]  # type: ignore[index]
    assert notices == []
    assert reception.told_by_case, reception.steps
    assert reception.told_by_reconcile, reception.discrepancies
    assert forging.letter_of(scheme, forgery) is None
    assert not [d for d in forging.reconciled(scheme) if d["kind"] == "event_forged"]
