"""What the envelope carries, and every way in which a broken one is refused."""

import datetime
import importlib.resources
import json
from typing import Any

import pytest
from marshmallow import ValidationError

from touchstone_contracts.envelope import unwrap, wrap
from touchstone_contracts.events.assessment import CorrectiveActionPlanReviewed
from touchstone_contracts.events.certification import CertificateExpired
from touchstone_contracts.values import PlanState

NOON = datetime.datetime(2026, 3, 9, 12, 0, 0, 123456, tzinfo=datetime.UTC)
REVIEWED = CorrectiveActionPlanReviewed(
    audit_id="dnv.r-1", criterion="9.1", plan_state=PlanState.APPROVED, plan_due_on=None, reviewed_at=NOON
)


def a_message(**changes: Any) -> dict[str, Any]:
    made = wrap(
        REVIEWED, id="m-1", time=NOON, sequence=4, correlation_id="cor-1", causation_id="m-0", traceparent="00-a"
    )
    return {k: v for k, v in (made | changes).items() if v is not ...}


def test_what_was_wrapped_comes_out_the_same() -> None:
    envelope, event = unwrap(a_message())

    assert event == REVIEWED
    assert (envelope.id, envelope.type) == ("m-1", "assessment.corrective_action_plan_reviewed.v1")
    assert (envelope.source, envelope.subject, envelope.sequence) == ("/touchstone/assessment", "dnv.r-1", 4)
    assert (envelope.time, envelope.correlationid, envelope.causationid) == (NOON, "cor-1", "m-0")
    assert envelope.traceparent == "00-a"


def test_cause_and_trace_are_left_out_when_there_are_none() -> None:
    message = wrap(REVIEWED, id="m-1", time=NOON, sequence=0, correlation_id="cor-1")

    assert "causationid" not in message and "traceparent" not in message
    envelope, _ = unwrap(message)
    assert envelope.causationid is None and envelope.traceparent is None


def test_an_attribute_of_the_envelope_that_nobody_knows_is_ignored() -> None:
    envelope, _ = unwrap(a_message(dataschema="urn:x", partitionkey="7"))

    assert envelope.id == "m-1"


@pytest.mark.parametrize(
    "message", [None, 7, "text", [], ["a"], True, b"bytes"], ids=lambda m: type(m).__name__ + str(bool(m))
)
def test_what_is_no_json_object_is_refused(message: Any) -> None:
    with pytest.raises(ValidationError):
        unwrap(message)


@pytest.mark.parametrize(
    "attribute", ["specversion", "id", "type", "source", "subject", "time", "sequence", "correlationid", "data"]
)
def test_an_envelope_without_a_required_attribute_is_refused(attribute: str) -> None:
    with pytest.raises(ValidationError) as refused:
        unwrap(a_message(**{attribute: ...}))

    assert list(refused.value.normalized_messages()) == [attribute]


@pytest.mark.parametrize(
    ("attribute", "wrong"),
    [
        ("specversion", "0.3"),
        ("specversion", 1.0),
        ("id", ""),
        ("id", "x" * 201),
        ("id", 7),
        ("id", None),
        ("type", None),
        ("source", ""),
        ("subject", ""),
        ("subject", {"id": "x"}),
        ("time", "2026-03-09T12:00:00"),
        ("time", "noon"),
        ("time", 1741521600),
        ("sequence", -1),
        ("sequence", "4"),
        ("sequence", 1.5),
        ("sequence", True),
        ("correlationid", ""),
        ("correlationid", ["cor"]),
        ("causationid", 5),
        ("traceparent", {}),
        ("data", None),
        ("data", []),
        ("data", "{}"),
    ],
)
def test_an_envelope_with_a_broken_attribute_is_refused(attribute: str, wrong: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        unwrap(a_message(**{attribute: wrong}))

    assert list(refused.value.normalized_messages()) == [attribute]


@pytest.mark.parametrize("name", ["", "assessment.corrective_action_plan_reviewed", "assessment.unheard_of.v1"])
def test_an_unknown_type_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="not what this queue is for"):
        unwrap(a_message(type=name))


def test_a_known_type_on_the_queue_of_another_is_refused() -> None:
    with pytest.raises(ValidationError, match="not what this queue is for"):
        unwrap(a_message(), expected=CertificateExpired)


def test_data_that_breaks_the_types_schema_is_refused_and_says_where() -> None:
    broken = a_message()
    broken["data"] = broken["data"] | {"plan_state": "perhaps", "criterion": None}

    with pytest.raises(ValidationError) as refused:
        unwrap(broken, expected=CorrectiveActionPlanReviewed)

    assert sorted(refused.value.normalized_messages()) == ["criterion", "plan_state"]


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_utc_does_not_have_is_refused(time: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        unwrap(a_message(time=time))

    assert set(refusal.value.messages_dict) == {"time"}


def test_what_would_travel_on_for_ever_is_bounded() -> None:
    with pytest.raises(ValidationError):
        unwrap(a_message(causationid="x" * 201))

    envelope, _ = unwrap(a_message(traceparent="0" * 900_000))
    assert envelope.traceparent is None


def test_a_text_that_a_release_before_let_through_is_read_out_of_its_event() -> None:
    examples = importlib.resources.files("touchstone_contracts") / "examples"
    message = json.loads((examples / "assessment.audit_accepted.v1.json").read_text())
    message["data"]["entity"] = {"id": "e-1", "name": " Two\nlines\u202e", "country": "UK"}

    _, event = unwrap(message)

    assert (event.entity.name, event.entity.country) == (" Two\nlines\u202e", "UK")
