"""Puts the spans of all processes together to the way of each audit: steps in a row, and what ran beside them."""

import collections
import dataclasses
import datetime
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PATH = {
    "assessment": "rpc-assessment",
    "certification": "certification.assessment.audit_accepted.",
    "notification": "notification.certification.certificate_issued.",
}
"""The services that an audit passes, and how the queue of each begins."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A part of an audit's way, in milliseconds of unix time; what is `beside` delays nothing on it."""

    hop: str
    name: str
    begun: float
    ended: float
    beside: bool = True

    @property
    def key(self) -> tuple[bool, str, str]:
        return self.beside, self.hop, self.name

    @property
    def ms(self) -> float:
        return self.ended - self.begun


@dataclasses.dataclass(frozen=True)
class Sent:
    """A submission as its client saw it, in milliseconds of unix time; `trace` is what it called its trace."""

    trace: str
    begun: float
    answered: float


@dataclasses.dataclass(frozen=True)
class Audit:
    """What became of one submission: its steps in the order of time, and how often a handler had to run again."""

    steps: Sequence[Step]
    again: int

    @property
    def ms(self) -> float:
        return sum(step.ms for step in self.steps if not step.beside)


class Span:
    """One span as it was written; times in milliseconds of unix time."""

    def __init__(self, written: dict[str, Any]) -> None:
        self.name, self.attributes = written["name"], written["attributes"]
        self.id, self.trace = written["context"]["span_id"], written["context"]["trace_id"].removeprefix("0x")
        self.begun, self.ended = _ms(written["start_time"]), _ms(written["end_time"])
        self.events = [(event["name"], _ms(event["timestamp"])) for event in written["events"]]
        self.linked = [link["context"]["span_id"] for link in written["links"]]
        self.messages = [link["attributes"].get("messaging.message.id", "") for link in written["links"]]

    @property
    def queue(self) -> str:
        return str(self.attributes.get("messaging.destination.name", ""))

    def at(self, event: str) -> list[float]:
        """When it came to this; at its end, where nothing says so."""
        return [at for name, at in self.events if name == event] or [self.ended]


def _ms(written: str) -> float:
    return datetime.datetime.fromisoformat(written).timestamp() * 1000


class Spans:
    """All that the services of one system wrote into a folder."""

    def __init__(self, folder: Path) -> None:
        self._handlers: dict[str, list[Span]] = collections.defaultdict(list)  # by trace
        self._asked: dict[str, list[Span]] = collections.defaultdict(list)  # of the database, by whom
        self._windows: dict[str, Span] = {}  # by message
        lines = [line for path in folder.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
        for span in map(Span, map(json.loads, lines)):
            if span.name == "publish":
                self._windows |= dict.fromkeys(span.messages, span)
            elif span.attributes.get("touchstone.outcome") in ("ok", "handled"):
                self._handlers[span.trace].append(span)
            elif "error.type" not in span.attributes:
                for id in span.linked:
                    self._asked[id].append(span)

    def audit(self, sent: Sent) -> Audit | None:
        """Its way from the submission to the last commit; None where a part of it was not recorded."""
        beside, again = [Step("client", "until the answer", sent.begun, sent.answered)], 0
        way = [Step("client", "", sent.begun, sent.begun, beside=False)]
        for hop, queue in PATH.items():
            handler = next((s for s in self._handlers[sent.trace] if s.queue.startswith(queue)), None)
            asked = self._asked[handler.id] if handler else []
            commit = next((span for span in asked if span.name == "commit"), None)
            if handler is None or commit is None:
                return None
            window = self._windows.get(handler.attributes.get("messaging.message.id", "of a call"))
            beside += [*_relayed(way, window), Step(hop, "answer, acknowledge", commit.ended, handler.ended)]
            beside += [Step(hop, f"database: {span.name}", span.begun, span.ended) for span in asked if span != commit]
            for name, until in _handled(window, handler, commit):
                _go_on(way, hop, name, until)
            again += len(handler.at("handler_begun")) - 1
        return Audit(sorted([*way[1:], *beside], key=lambda step: step.begun), again)


def _go_on(way: list[Step], hop: str, name: str, until: float) -> None:
    """The steps of the way follow each other without a gap."""
    way.append(Step(hop, name, way[-1].ended, max(way[-1].ended, until), beside=False))


def _relayed(way: list[Step], window: Span | None) -> Iterator[Step]:
    """From the commit to the broker, and what of it nobody waits for."""
    if window is not None:
        hop, sent, confirmed = way[-1].hop, window.at("sent")[0], window.at("confirmed")[0]
        _go_on(way, hop, "wait for the relay", window.begun)
        _go_on(way, hop, "write to the broker", sent)
        yield Step(hop, "wait for the confirm", sent, confirmed)
        yield Step(hop, "mark as published", confirmed, window.ended)


def _handled(window: Span | None, handler: Span, commit: Span) -> Iterator[tuple[str, float]]:
    """What each step from the broker to the commit is called, and when it ended."""
    came_by = "broker: store, deliver" if window else "client, broker: send, route, deliver"
    yield came_by, handler.begun - handler.attributes["touchstone.waited_ms"]
    yield "wait for a worker", handler.begun
    yield "decode, check", handler.at("handler_begun")[0]
    yield "handler with its reads", handler.at("handler_done")[-1]
    yield "wait for a group commit", commit.begun
    yield "write in the transaction", commit.at("written")[-1]
    yield "commit the transaction", commit.ended
