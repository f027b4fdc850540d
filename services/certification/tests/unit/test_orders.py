"""Whatever order events come in, and however often, an audit ends in the same state, with one decision."""

import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone_contracts.values import PlanState
from touchstone_testing.examples import examples

STEPS = ("activated", "suspended", "reinstated", "accepted", "rejected", "approved", "mandate", "deadlines")


def story(build: Any, rating: Any) -> dict[str, tuple[Any, int]]:
    """Each event with its sequence; the newest words are that the plan is approved and the member active."""
    return {
        "activated": (build.recorded(), 1),
        "suspended": (build.suspended(), 2),
        "reinstated": (build.reinstated(), 3),
        "accepted": (build.accepted([build.finding("9.1", rating, PlanState.SUBMITTED)]), 1),
        "rejected": (build.review("9.1", PlanState.REJECTED), 2),
        "approved": (build.review("9.1", PlanState.APPROVED), 3),
    }


def play(office: Any, events: dict[str, tuple[Any, int]], steps: list[str]) -> None:
    signed = False
    for step in steps:
        if step == "deadlines":
            office.run_due()
        elif step == "mandate":
            if not signed:
                office.sign_mandate()
            signed = True
        else:
            office.deliver(*events[step])
    office.run_due()


@pytest.mark.parametrize(("rating", "row", "level"), [("minor", "5", "full"), ("major", "2", "provisional")])
@given(
    order=st.permutations([step for step in STEPS if step != "deadlines"]),
    extra=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(STEPS)), max_size=12),
)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_order_with_every_repetition_ends_in_the_same_one_certificate(
    new_office: Any, build: Any, rating: str, row: str, level: str, order: list[str], extra: list[tuple[int, str]]
) -> None:
    office, steps = new_office(), list(order)
    for at, step in extra:
        steps.insert(at, step)

    play(office, story(build, getattr(build, rating)), steps)

    assert [event.level.value for event in office.events("CertificateIssued")] == [level]
    assert office.events("CertificationRefused") == []
    case, (certificate,) = office.case(), office.certificates()
    number = certificate["number"]  # not always the first: what decides on a repeated message may leave a gap
    assert (case["state"], case["decision"]["row"], case["certificate_number"]) == ("decided", row, number)


@given(order=st.permutations(["activated", "accepted", "rejected", "mandate"]))
@settings(max_examples=examples(24), deadline=None)
def test_every_order_ends_in_the_same_refusal_when_the_plan_stays_rejected(
    new_office: Any, build: Any, order: list[str]
) -> None:
    office = new_office()

    play(office, story(build, build.minor), order)
    office.go_to(datetime.date(2027, 1, 1))

    (refused,) = office.events("CertificationRefused")
    assert ([r.code for r in refused.reasons], refused.decided_on) == (["plan_overdue"], datetime.date(2027, 1, 1))
    assert office.events("CertificateIssued") == [] and office.certificates() == []


@given(order=st.permutations(["a", "b", "activated", "mandate", "deadlines"]))
@settings(max_examples=examples(40), deadline=None)
def test_of_two_audits_of_the_same_scope_one_is_certified_and_one_is_held(
    new_office: Any, build: Any, order: list[str]
) -> None:
    office = new_office()
    events = {
        "activated": (build.recorded(), 1),
        "a": (build.accepted(audit_id="body.a"), 1),
        "b": (build.accepted(audit_id="body.b"), 1),
    }

    play(office, events, order)

    assert sorted(office.case(id)["state"] for id in ("body.a", "body.b")) == ["decided", "held"]
    assert len(office.events("CertificateIssued")) == 1
