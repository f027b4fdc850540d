"""Spans are made only where the process has an SDK, and hold names and ids, never what is in a message."""

import json
import subprocess
import sys
import time
from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace
from typing import Any

import amqp
import eventlet
import pytest
from nameko import config
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from touchstone_chassis.amqp.publisher import Outgoing
from touchstone_chassis.config import ConfigError
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.handlers.tracing import call_span, job_span, message_span
from touchstone_chassis.observability import tracing
from touchstone_chassis.outbox.relay import _link
from touchstone_chassis.unit_of_work.dataloader import DataLoader, Query

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
pytestmark = pytest.mark.usefixtures("fixed_time")
SECRETS = ("anna@example.org", "hunter2", "eyJhbGciOiJFZDI1NTE5In0")


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """An SDK for one test, and what it was given."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("tests"))
    return exporter


def a_delivery(body: bytes = b"{}", *, is_call: bool = False, **properties: Any) -> Delivery:
    message = amqp.Message(body, **{"content_type": "application/json", "message_id": "m-1", **properties})
    return Delivery("a.queue", message, None, is_call)  # type: ignore[arg-type]


def carried_out(subject: Any, does: Any = lambda: None) -> Any:
    """What comes of a piece of work whose handler `does` something."""
    with config.patch({"message_bytes_max": 100_000}):
        if not isinstance(subject, Delivery):
            span = job_span("handle", subject.id, subject.origin.correlation_id)
        else:
            span = call_span("toy", "handle", subject) if subject.is_call else message_span(subject)
        with span:
            return does()


def shown(spans: Any) -> str:
    """Everything that is on these spans, as it would be sent."""
    return "".join(span.to_json() for span in spans)


def secrets_on(spans: Any) -> list[str]:
    return [secret for secret in SECRETS if secret in shown(spans)]


def test_without_an_sdk_nothing_is_made_and_nothing_asked():
    def never() -> Any:
        raise AssertionError("links are for spans")
        yield

    with tracing.span("a", attributes={}, links=never()), tracing.database_span("find", "things", 1, never()):
        tracing.event("x")
        tracing.outcome("handled")

    assert not tracing.is_on()
    assert tracing.traceparent() is None
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_service_does_not_even_load_the_sdk():
    program = "import sys, touchstone_chassis.runtime.process; sys.exit('opentelemetry.sdk.trace' in sys.modules)"

    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program]).returncode == 0


def test_a_call_is_a_span_of_a_server_under_that_of_its_caller(exporter):
    headers = {"traceparent": TRACEPARENT, "nameko.correlation_id": "c-1"}
    followed = carried_out(a_delivery(is_call=True, application_headers=headers), tracing.traceparent)

    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("toy/handle", SpanKind.SERVER)
    assert f"{span.context.trace_id:032x}" == TRACE and f"{span.parent.span_id:016x}" == CALLER
    assert followed == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert span.attributes["messaging.message.conversation_id"] == "c-1"
    assert 0 <= span.attributes["touchstone.waited_ms"] < 60_000


def test_an_event_is_a_span_of_a_consumer_under_the_one_that_its_envelope_names(exporter):
    body = json.dumps({"traceparent": TRACEPARENT}).encode()

    carried_out(a_delivery(body, content_type="application/cloudevents+json", correlation_id="c-1"))

    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("process a.queue", SpanKind.CONSUMER)
    assert f"{span.parent.span_id:016x}" == CALLER
    assert span.attributes["messaging.message.id"] == "m-1"


@pytest.mark.parametrize(
    "body", [b"nonsense", b'{"traceparent": "00-zz"}', b'{"traceparent": {"$ne": 1}}', b'{"traceparent": "\\u0000"}']
)
def test_a_message_that_names_no_span_begins_a_trace(exporter, body):
    carried_out(a_delivery(body, content_type="application/cloudevents+json"))

    (span,) = exporter.get_finished_spans()
    assert span.parent is None


def test_a_job_is_a_span_with_the_conversation_that_set_it(exporter):
    carried_out(SimpleNamespace(id="send/n-1", origin=SimpleNamespace(correlation_id="c-1")))

    (span,) = exporter.get_finished_spans()
    assert span.name == "job handle"
    assert dict(span.attributes) == {"touchstone.job": "send/n-1", "messaging.message.conversation_id": "c-1"}


def test_of_a_failure_the_type_is_kept_and_no_word(exporter):
    def fail() -> None:
        raise ValueError(f"{SECRETS[0]} is no country")

    with pytest.raises(ValueError):
        carried_out(a_delivery(), fail)

    (span,) = exporter.get_finished_spans()
    assert span.attributes["error.type"] == "ValueError"
    assert not span.status.is_ok and span.status.description is None
    assert secrets_on([span]) == []


def test_the_words_of_a_failure_would_be_found_if_they_were_kept(exporter):
    with pytest.raises(ValueError), tracing._tracer.start_as_current_span("as OpenTelemetry does by itself"):
        raise ValueError(f"{SECRETS[0]} is no country")

    assert secrets_on(exporter.get_finished_spans()) == [SECRETS[0]]


def test_what_is_in_a_message_or_stands_in_place_of_an_id_is_on_no_span(exporter):
    address, password, token = SECRETS
    broker = f"amqp://touchstone:{password}@broker:5672"
    headers = {"nameko.authorization": token, "nameko.correlation_id": address}
    body = json.dumps({"kwargs": {"mail": address, "password": password}}).encode()

    carried_out(a_delivery(body, is_call=True, application_headers=headers, message_id=broker))
    carried_out(a_delivery(body, application_headers=headers, message_id=f"Anna {password}"))
    with tracing.span(
        "find", attributes={"x": broker}, links=[_link(Outgoing("", "q", body, "t", {"message_id": address}))]
    ):
        pass

    assert len(exporter.get_finished_spans()) == 3
    assert secrets_on(exporter.get_finished_spans()) == []


def test_an_outcome_that_an_operator_looks_for_is_an_error(exporter):
    for outcome in ("handled", "dead_lettered"):
        carried_out(a_delivery(), lambda outcome=outcome: tracing.outcome(outcome))

    assert [span.attributes["touchstone.outcome"] for span in exporter.get_finished_spans()] == [
        "handled",
        "dead_lettered",
    ]
    assert [span.status.is_ok for span in exporter.get_finished_spans()] == [True, False]


def test_a_read_for_many_is_linked_to_each_who_asked(exporter):
    found = [{"_id": "a"}, {"_id": "b"}]
    reader = DataLoader({"things": SimpleNamespace(name="things", find=lambda *_, **__: found)})  # type: ignore[dict-item]

    def ask(id: str) -> None:
        carried_out(a_delivery(), lambda: reader.find(Query("things", "_id", (id,))))

    for thread in [eventlet.spawn(ask, id) for id in ("a", "b")]:
        thread.wait()

    read, *askers = exporter.get_finished_spans()
    assert read.name == "find things" and read.attributes["db.operation.batch.size"] == 2
    assert {link.context.span_id for link in read.links} == {asker.context.span_id for asker in askers}


def test_a_published_message_links_to_what_it_follows_from(exporter):
    event = json.dumps({"traceparent": TRACEPARENT}).encode()
    messages = [Outgoing("x", "k", body, "t", {"message_id": "e-1"}) for body in (event, b"\xff no json", b"[]")]

    with tracing.span("publish", attributes={}, links=map(_link, messages)):
        pass

    (span,) = exporter.get_finished_spans()
    assert [f"{link.context.span_id:016x}" for link in span.links] == [CALLER]
    assert dict(span.links[0].attributes) == {"messaging.message.id": "e-1"}


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is set as the process's provider, for this test only."""
    kept = [trace.get_tracer_provider()]
    monkeypatch.setattr(trace, "set_tracer_provider", kept.append)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept[-1])
    yield kept
    tracing.switch_off()


def test_files_need_the_sandbox_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="sandbox"):
        tracing.switch_on({"TOUCHSTONE_TRACES": str(tmp_path)}, sandbox=False, service="toy")
    with pytest.raises(ConfigError, match="folder"):
        tracing.switch_on({"TOUCHSTONE_TRACES": str(tmp_path / "none")}, sandbox=True, service="toy")


def test_an_exporter_that_is_not_installed_stops_the_start():
    with pytest.raises(ConfigError, match="no installed package has the exporter carrier_pigeon"):
        tracing.switch_on({"OTEL_TRACES_EXPORTER": "carrier_pigeon"}, sandbox=False, service="toy")


def test_an_exporter_that_breaks_stops_the_start_with_its_name(monkeypatch):
    broken = EntryPoint("broken", "no_such_package:Exporter", "opentelemetry_traces_exporter")
    monkeypatch.setattr(tracing.importlib.metadata, "entry_points", lambda **_: EntryPoints([broken]))

    with pytest.raises(ConfigError, match="broken cannot be used: ModuleNotFoundError"):
        tracing.switch_on({"OTEL_TRACES_EXPORTER": "broken"}, sandbox=False, service="toy")


def test_when_the_process_ends_every_span_is_in_the_file(tmp_path, providers):
    tracing.switch_on({"TOUCHSTONE_TRACES": str(tmp_path)}, sandbox=True, service="toy")

    for name in ("a", "b"):
        with tracing.span(name, attributes={}):
            pass
    tracing.switch_off()

    (path,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["name"] for line in lines] == ["a", "b"]
    assert lines[0]["resource"]["attributes"]["service.name"] == "toy"


def test_an_sdk_that_somebody_has_set_is_used(providers):
    providers.append(TracerProvider())

    tracing.switch_on({"OTEL_TRACES_EXPORTER": "none"}, sandbox=False, service="toy")

    assert tracing.is_on()


def test_a_collector_that_is_away_does_not_keep_the_process_from_its_end(monkeypatch, providers):
    class Away(SpanExporter):
        def export(self, spans: Any) -> Any:
            eventlet.sleep(60)

    monkeypatch.setattr(tracing, "FLUSH_S_MAX", 0.1)
    monkeypatch.setattr(tracing, "_exporters", lambda _environ: [Away()])
    tracing.switch_on({}, sandbox=False, service="toy")
    with tracing.span("a", attributes={}):
        pass
    begun = time.monotonic()

    tracing.switch_off()

    assert time.monotonic() - begun < 5
