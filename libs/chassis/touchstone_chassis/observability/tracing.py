"""Spans of what a service does, by the OpenTelemetry API: where the process has no SDK, nothing is asked of it.

The environment gives it one, by OpenTelemetry's own variables, or, in the sandbox only, to write files:

    OTEL_TRACES_EXPORTER=otlp_proto_http    # the name of an installed exporter, which has variables of its own
    TOUCHSTONE_TRACES=/some/folder          # `<service>-<pid>.jsonl` appears there, a span in each line

A span holds names and ids. What else somebody wants to put on one is left out: see `_NAME`.
"""

import contextlib
import importlib.metadata
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import eventlet
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from touchstone_chassis.config import ConfigError

EXPORTER_VARIABLE, FOLDER_VARIABLE = "OTEL_TRACES_EXPORTER", "TOUCHSTONE_TRACES"
FLUSH_S_MAX = 0.5
"""A collector that is away must not keep the process from its end."""
FAILURES = {"retried", "dead_lettered", "failed", "internal_error"}
"""Outcomes of a handler that an operator wants to see among the errors; a refusal is none."""

Attributes = Mapping[str, str | int | float]

_NAME = re.compile(r"[\w.:/-]{1,200}", re.ASCII)
"""A text on a span is a name or an id: no sentence, no mail address, no address that may hold a password."""
_PROPAGATOR = TraceContextTextMapPropagator()
NOTHING = contextlib.nullcontext()

_tracer: Tracer | None = None


def is_on() -> bool:
    """Whether the process has an SDK. Only what costs something to be told has to ask."""
    return _tracer is not None


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    attributes: Attributes,
    parent: Any = None,
    links: Iterable[Link] = (),
) -> contextlib.AbstractContextManager[None]:
    """The block is a span, the current one of its greenlet. `parent` is a traceparent; `links` are made only if asked.

    Of an exception that leaves the block the span keeps the type: its words may quote what a caller sent.
    """
    if _tracer is None:
        return NOTHING
    linked = [link for link in links if link.context.is_valid]
    return _recorded(_tracer, name, kind, _context(parent), _without_contents(attributes), linked)


@contextlib.contextmanager
def _recorded(
    tracer: Tracer, name: str, kind: SpanKind, context: Context, attributes: Attributes, links: list[Link]
) -> Iterator[None]:
    with tracer.start_as_current_span(
        name, context, kind, attributes, links, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def database_span(
    operation: str, collection: str, batch_size: int, links: Iterable[Link]
) -> contextlib.AbstractContextManager[None]:
    """The block asks the database once for `batch_size` handlers, whose spans are linked."""
    if _tracer is None:
        return NOTHING
    attributes: Attributes = {
        "db.system.name": "mongodb",
        "db.operation.name": operation,
        "db.operation.batch.size": batch_size,
        "db.collection.name": collection,
    }
    return span(f"{operation} {collection}".strip(), SpanKind.CLIENT, attributes=attributes, links=links)


def link(traceparent: Any, message_id: str = "") -> Link:
    """A link to the span that `traceparent` names, if it is one, and to its message."""
    attributes = _without_contents({"messaging.message.id": message_id})
    return Link(trace.get_current_span(_context(traceparent)).get_span_context(), attributes)


def event(name: str) -> None:
    """A moment inside the current span that says where its time went."""
    if _tracer is not None:
        trace.get_current_span().add_event(name)


def outcome(outcome: str) -> None:
    """What became of what the current span stands for."""
    if _tracer is not None:
        current = trace.get_current_span()
        current.set_attribute("touchstone.outcome", outcome)
        if outcome in FAILURES:
            current.set_attribute("error.type", outcome)
            current.set_status(Status(StatusCode.ERROR))


def traceparent() -> str | None:
    """Of the current span, for what follows from it; None where there is none."""
    if _tracer is None:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def switch_on(environ: Mapping[str, str], *, sandbox: bool, service: str) -> None:
    """Use the SDK that the environment asks for, or that somebody has set before. Raises ConfigError.

    To be called after monkey-patching: the SDK sends from a thread.
    """
    global _tracer
    exporters = [*_exporters(environ), *_files(environ, sandbox=sandbox, service=service)]
    if exporters:
        trace.set_tracer_provider(_provider(exporters, service))
    provider = trace.get_tracer_provider()
    none = isinstance(provider, trace.ProxyTracerProvider)
    _tracer = None if none else provider.get_tracer("touchstone_chassis")


def switch_off() -> None:
    """Send what is left, for at most FLUSH_S_MAX, and record nothing more."""
    global _tracer
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if _tracer is not None and shutdown is not None:
        _tracer = None
        with eventlet.Timeout(FLUSH_S_MAX, False):
            shutdown()


def _exporters(environ: Mapping[str, str]) -> list[Any]:
    names = [name.strip() for name in environ.get(EXPORTER_VARIABLE, "").split(",")]
    wanted = [name for name in names if name not in ("", "none")]
    installed = importlib.metadata.entry_points(group="opentelemetry_traces_exporter")
    missing = [name for name in wanted if name not in installed.names]
    if missing:
        raise ConfigError([f"{EXPORTER_VARIABLE}: no installed package has the exporter {', '.join(missing)}"])
    return [_loaded(installed[name]) for name in wanted]


def _loaded(exporter: importlib.metadata.EntryPoint) -> Any:
    try:
        return exporter.load()()
    except Exception as error:  # another's package, made of what the environment says
        reason = f"{exporter.name} cannot be used: {type(error).__name__}"
        raise ConfigError([f"{EXPORTER_VARIABLE}: {reason}"]) from error


def _files(environ: Mapping[str, str], *, sandbox: bool, service: str) -> list[Any]:
    folder = environ.get(FOLDER_VARIABLE)
    if not folder:
        return []
    if not sandbox:
        raise ConfigError([f"{FOLDER_VARIABLE}: is for test runs; it needs the sandbox"])
    if not Path(folder).is_dir():
        raise ConfigError([f"{FOLDER_VARIABLE}: must name a folder"])
    try:
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter
    except ImportError:
        raise ConfigError([f"{FOLDER_VARIABLE}: opentelemetry-sdk is not installed"]) from None
    file = (Path(folder) / f"{service}-{os.getpid()}.jsonl").open("a", encoding="utf-8")
    return [ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")]


def _provider(exporters: Iterable[Any], service: str) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    names = Resource.create({"service.name": service, "service.namespace": "touchstone"})
    provider = TracerProvider(resource=names)
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _context(traceparent: Any) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent if isinstance(traceparent, str) else ""}, Context())


def _without_contents(attributes: Attributes) -> Attributes:
    return {name: it for name, it in attributes.items() if not isinstance(it, str) or _NAME.fullmatch(it)}
