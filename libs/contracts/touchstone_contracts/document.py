"""Writes the page of events, `docs/events.md`, from the registry: `python -m touchstone_contracts.document`."""

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import touchstone_contracts.events.differences  # noqa: F401 - registers its events
from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.events import MODULES
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import events_exchange, unconsumed, unconsumed_records

_OPENING = f"""\
# Events

Made from the registry by `python -m touchstone_contracts.document`; do not edit by hand, a test compares the two.

Every event is a CloudEvents 1.0 message in structured mode, content type `{CONTENT_TYPE}`, persistent, with the AMQP
properties `message_id` (the event's `id`) and `type`. Delivery is at least once and in no promised order: know an event
again by its `id`, and of two events with the same `subject` keep the one with the higher `sequence` (an integer, the
version of the aggregate as it was then). Attributes that you do not know are to be ignored; a new one may come at any
time. Anything else that changes gets a new version beside the old. For a release or two an event is then published in
both, under one `id`: take the first that comes, or bind one version only ([how an event changes](evolving.md)).

Events are of two kinds. A **story** says what happened, by whom and why. A **record** carries the whole shareable
state of its aggregate, and goes with each version of it: build a copy from records alone and keep the highest
`sequence`, and neither order nor doubling nor filling it later makes a difference
([ADR 32](adr/0032-records-beside-stories.md)). A record and a story of one change have the same `sequence`.

To receive a type, bind a queue of your own to the exchange with the routing key that stands with the type. What nobody
has bound goes to a bounded queue behind the exchange (`{unconsumed("<service>")}`, for records
`{unconsumed_records("<service>")}`): it is seen and does not pile up.
"""


def _type_of(hint: Any) -> str:
    """How an attribute's type reads in the page; values and choices link to where they are described."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("null" if a is type(None) else _type_of(a) for a in arguments)
    if origin is list:
        return f"list of {_type_of(arguments[0])}"
    if origin is dict:
        return f"map from {_type_of(arguments[0])} to {_type_of(arguments[1])}"
    if dataclasses.is_dataclass(hint) or issubclass(hint, enum.Enum):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    names = {"str": "text", "int": "integer", "bool": "true/false", "datetime": "time, with offset", "date": "date"}
    return names.get(hint.__name__, hint.__name__.lower())


def _parts_of(hint: Any) -> Iterator[Any]:
    """The values and choices in a type, at any depth, the outer ones first."""
    for argument in typing.get_args(hint):
        yield from _parts_of(argument)
    if dataclasses.is_dataclass(hint):
        yield hint
        for inner in typing.get_type_hints(hint).values():
            yield from _parts_of(inner)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        yield hint


def _attributes(cls: Any) -> str:
    hints = typing.get_type_hints(cls)
    lines = ["| attribute | type | required | what it says | example |", "|---|---|---|---|---|"]
    for name, field in cls.schema.fields.items():
        example = json.dumps(field.metadata["example"], ensure_ascii=False)
        lines.append(
            f"| `{name}` | {_type_of(hints[name])} | {'yes' if field.required else 'no'} "
            f"| {field.metadata['description']} | `{example}` |"
        )
    return "\n".join(lines)


def _event_section(event: Any) -> str:
    personal = "\n\nCarries contact details: shown to nobody who follows a case." if event.personal else ""
    record = "\n\nA record." if event.record else ""
    replaces = f"\n\nReplaces version {event.replaces.version}{_beside(event)}." if event.replaces else ""
    shown = f"; shown to whoever follows a case: {', '.join(f'`{n}`' for n in event.public)}" if event.public else ""
    return (
        f"### {event.__name__} (version {event.version})\n\n{event.summary}{record}{personal}{replaces}\n\n"
        f"In words: `{event.words}`{shown}.\n\n"
        f"`type` `{event.type_name}` · exchange `{events_exchange(event.producer)}` · "
        f"routing key `{event.routing_key}` · `subject` is `{event.subject_field}` · "
        f"[example](../libs/contracts/touchstone_contracts/examples/{event.type_name}.json)\n\n{_attributes(event)}\n"
    )


def _beside(event: Any) -> str:
    return ", which is published too, with the same id" if hasattr(event, "downcast") else ""


def _value_section(part: Any) -> str:
    # A dataclass without a docstring of its own gets its signature for one.
    told = "" if (part.__doc__ or "").startswith(f"{part.__name__}(") else (part.__doc__ or "").strip()
    body = (
        _attributes(part)
        if dataclasses.is_dataclass(part)
        else "One of " + ", ".join(f"`{m.value}`" for m in part) + "."
    )
    return f"### {part.__name__}\n\n{told + chr(10) * 2 if told else ''}{body}\n"


def page() -> str:
    """The whole page in Markdown: every event by producing service, then the values that they hold."""
    events = [e for _, e in sorted(REGISTRY.items())]
    held = {p.__name__: p for e in events for h in typing.get_type_hints(e).values() for p in _parts_of(h)}
    sections = [_OPENING]
    for service, module in MODULES.items():
        sections.append(f"## From {service}\n\n{(module.__doc__ or '').strip()}\n")
        sections += [_event_section(e) for e in events if getattr(e, "producer", "") == service]
    sections.append("## Values\n")
    sections += [_value_section(held[name]) for name in sorted(held)]
    return "\n".join(sections)


if __name__ == "__main__":
    print(page(), end="")
