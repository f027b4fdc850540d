"""A trace leads from a caller's span to that of what follows; without an SDK messages carry on what came."""

import json
import uuid
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_chassis.observability import tracing
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.events.membership import OrganisationRegistered
from touchstone_contracts.roles import ASSESSOR
from touchstone_contracts.topology import dead_letter, event_queue
from touchstone_devkit.eventually import eventually

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CONTENTS = "anna@example.org"
QUEUE, HEARD = event_queue("toy", BodyAccredited.type_name), event_queue("listener", OrganisationRegistered.type_name)


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (DeadLetterApi,)


class Recorded:
    """The spans of this process."""

    def __init__(self, exporter: InMemorySpanExporter):
        self._exporter = exporter

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def named(self, *names: str) -> list[ReadableSpan]:
        """One of each, once all have ended."""
        eventually(lambda: {*names} <= {span.name for span in self.spans})
        return [next(span for span in self.spans if span.name == name) for name in names]

    def holding(self, *words: str) -> list[str]:
        everything = "".join(span.to_json() for span in self.spans)
        return [word for word in words if word in everything]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("tests"))
    return Recorded(exporter)


def an_accreditation(body_id: str, **changes: Any) -> dict[str, Any]:
    period = {"valid_from": "2026-01-01", "valid_until": "2026-12-31"}
    lists: dict[str, Any] = {"standards": [], "countries": [], "activities": []}
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "type": BodyAccredited.type_name,
        "source": "/touchstone/assessment",
        "subject": body_id,
        "time": "2026-01-01T12:00:00+00:00",
        "sequence": 1,
        "correlationid": "cor-1",
        "datacontenttype": "application/json",
        "data": {"body_id": body_id, "name": CONTENTS, **period, **lists},
        **changes,
    }


def span_id(traceparent: str) -> int:
    return int(traceparent.split("-")[2], 16)


def test_without_an_sdk_what_follows_carries_the_traceparent_that_came(bus):
    bus.publish_event(an_accreditation("b-1", traceparent=TRACEPARENT))

    _, heard = eventually(lambda: bus.take(HEARD))

    assert json.loads(heard)["traceparent"] == TRACEPARENT


def test_without_an_sdk_and_without_a_traceparent_nothing_follows_with_one(bus):
    bus.publish_event(an_accreditation("b-1"))

    properties, heard = eventually(lambda: bus.take(HEARD))

    assert "traceparent" not in json.loads(heard) and "traceparent" not in properties.headers


def test_with_one_the_handler_is_a_span_and_what_follows_names_it(recorded, bus):
    cause = an_accreditation("b-1", traceparent=TRACEPARENT)
    bus.publish_event(cause)

    _, heard = eventually(lambda: bus.take(HEARD))

    follows = json.loads(heard)
    (handler, commit, publish) = recorded.named(f"process {QUEUE}", "commit", "publish")
    assert handler.parent and handler.parent.span_id == span_id(TRACEPARENT)
    assert handler.context.span_id == span_id(follows["traceparent"])
    assert [link.context.span_id for link in commit.links] == [handler.context.span_id]
    assert [event.name for event in handler.events] == ["handler_begun", "handler_done"]
    assert [event.name for event in commit.events] == ["written"]
    assert [event.name for event in publish.events] == ["sent", "confirmed"]
    assert [dict(link.attributes or {}) for link in publish.links] == [{"messaging.message.id": follows["id"]}]


def test_no_span_holds_what_is_in_a_message_a_token_or_a_password(recorded, bus, issuer, behaviour, settings):
    def fail() -> None:
        raise ValueError(f"{CONTENTS} is no country")

    behaviour["b-2"] = behaviour["t-2"] = fail
    token, assessor = issuer.token(sub=CONTENTS), issuer.token(ASSESSOR, cab="cab-1")
    for id in ("t-1", "t-2"):
        bus.call("name_thing", token, id=id, label=f"{CONTENTS} {id}", idempotency_key=CONTENTS)
    bus.call("get_thing", id=CONTENTS)
    bus.call("remind", token, id="r-1", idempotency_key="k")
    headers = {"nameko.authorization": assessor, "nameko.correlation_id": CONTENTS}
    bus.put(
        "toy.intake", {"id": "m", "label": CONTENTS}, content_type="application/json", message_id="m", headers=headers
    )
    for id in ("b-1", "b-2"):
        bus.publish_event(an_accreditation(id, subject=CONTENTS))

    kinds = [
        "toy/name_thing",
        "toy/get_thing",
        "job reminded",
        "process toy.intake",
        f"process {QUEUE}",
        f"process {dead_letter('toy')}",
        "publish",
    ]
    assert len(recorded.named(*kinds, "commit", "find things")) == 9
    assert recorded.holding(CONTENTS, token, assessor, settings["AMQP_URI"], settings["MONGO_URI"]) == []


def test_a_word_of_a_message_on_a_span_would_be_found(recorded):
    with tracing._tracer.start_as_current_span("a span", attributes={"body": CONTENTS}):
        pass

    assert recorded.holding(CONTENTS, "else") == [CONTENTS]
