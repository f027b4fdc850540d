"""Records when a process came to which named moment of its work, for a profile; without being asked it does nothing.

The environment switches it on, in the sandbox only:

    TOUCHSTONE_SPANS=/some/folder       # `<service>-<pid>.jsonl` appears there

A line is `[unix time, CPU of the process, CPU of this greenlet, greenlet, moment, names]`, times in nanoseconds; names
are ids, queues and collections. No line holds contents, headers or tokens. A greenlet belongs to the delivery of its
last `work_started`. Commands to the database are recorded with their duration (`took`).
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import greenlet
import orjson

from touchstone_chassis.config import ConfigError

FOLDER_VARIABLE = "TOUCHSTONE_SPANS"
WRITTEN_AT_ONCE = 512
WRITTEN_EVERY_NS = 250_000_000
RECORDS_MAX = 2_000_000
"""About 300 MB; what comes after is not recorded."""
_NAME_LENGTH_MAX = 100


class Recorder:
    """Writes the moments of one process to one file, and counts the CPU time of each greenlet."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._unwritten: list[tuple[Any, ...]] = []
        self._written_at = time.time_ns()
        self._left = RECORDS_MAX
        self._switched_at = time.thread_time_ns()
        self._tracer = greenlet.settrace(self._switched)

    def note(self, point: str, subject: Any = None, names: dict[str, Any] | None = None) -> None:
        """Record that the current greenlet is at `point`, with the names of `subject` (see `named`)."""
        if self._left <= 0:
            return
        self._left -= 1
        now, cpu, current = time.time_ns(), time.thread_time_ns(), greenlet.getcurrent()
        used = getattr(current, "spans_cpu_ns", 0) + cpu - self._switched_at
        self._unwritten.append((now, cpu, used, id(current), point, named(subject) if names is None else names))
        if len(self._unwritten) >= WRITTEN_AT_ONCE or now - self._written_at > WRITTEN_EVERY_NS:
            self.write()

    def cpu_ns(self) -> int:
        """CPU time of the current greenlet since it began."""
        used: int = getattr(greenlet.getcurrent(), "spans_cpu_ns", 0)
        return used + time.thread_time_ns() - self._switched_at

    def write(self) -> None:
        """Put what was noted into the file; where there is no room for it, nothing more is recorded."""
        lines = b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in self._unwritten)
        self._unwritten.clear()
        try:
            self._file.write(lines)
        except OSError:  # a profile must not break what it looks at
            self._left = 0
        self._written_at = time.time_ns()

    def close(self) -> None:
        greenlet.settrace(self._tracer)
        self.write()
        self._file.close()

    def _switched(self, _event: str, greenlets: tuple[Any, Any]) -> None:
        """Book the CPU time since the last switch on the greenlet that had it."""
        cpu, left = time.thread_time_ns(), greenlets[0]
        left.spans_cpu_ns = getattr(left, "spans_cpu_ns", 0) + cpu - self._switched_at
        self._switched_at = cpu


_recorder: Recorder | None = None


def mark(point: str, subject: Any = None) -> None:
    """Say that the process has come to `point`, with `subject`: a delivery, a key, origins, or outbox rows."""
    if _recorder is not None:
        _recorder.note(point, subject)


def switch_on(environ: Mapping[str, str], *, sandbox: bool, service: str) -> None:
    """Record from now on, if the environment asks for it. Raises ConfigError outside the sandbox and without folder."""
    global _recorder
    folder = environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    if not sandbox:
        raise ConfigError([f"{FOLDER_VARIABLE}: is for test runs; it needs the sandbox"])
    if not Path(folder).is_dir():
        raise ConfigError([f"{FOLDER_VARIABLE}: must name a folder"])
    switch_off()
    _recorder = Recorder(Path(folder) / f"{service}-{os.getpid()}.jsonl")
    _listen_to_the_database(_recorder)


def switch_off() -> None:
    """Write what is left, and record nothing more."""
    global _recorder
    recorder, _recorder = _recorder, None
    if recorder is not None:
        recorder.close()


def named(subject: Any) -> dict[str, Any]:
    """Ids of what a moment is about, and nothing of what is in it.

    A delivery: its queue, the ids of correlation and message, and when it was read (unix time, nanoseconds). Origins:
    `units`, each `correlation id/causation id`. Outbox rows: `rows`, their ids. A text: `key`.
    """
    if subject is None:
        return {}
    if isinstance(subject, str):
        return {"key": _text(subject)}
    if isinstance(subject, Sequence):
        if any(isinstance(row, Mapping) for row in subject):
            return {"rows": [_text(row["_id"]) for row in subject]}
        return {"units": [_unit(origin) for origin in subject]}
    if hasattr(subject, "causation_id"):
        return {"units": [_unit(subject)]}
    if hasattr(subject, "received_at"):
        return _delivery(subject)
    return {}


def _delivery(delivery: Any) -> dict[str, Any]:
    correlation_id = delivery.headers.get("nameko.correlation_id") or delivery.attribute("correlation_id")
    return {
        "queue": delivery.queue,
        "correlation": _text(correlation_id),
        "message": _text(delivery.attribute("message_id")),
        "received": int(delivery.received_at * 1e9),
    }


def _unit(origin: Any) -> str:
    return f"{_text(origin.correlation_id)}/{_text(origin.causation_id)}"


def _text(id: Any) -> str:
    """An id, cut; nothing for what is none, or what JSON might not hold."""
    return id[:_NAME_LENGTH_MAX] if isinstance(id, str) and id.isascii() else ""


def _listen_to_the_database(recorder: Recorder) -> None:
    """Have each command of each client that is made from now on recorded when it has ended."""
    from pymongo import monitoring

    class Commands(monitoring.CommandListener):
        def __init__(self) -> None:
            self._begun: dict[int, tuple[str, int]] = {}

        def started(self, event: monitoring.CommandStartedEvent) -> None:
            collection = event.command.get(event.command_name)
            self._begun[event.request_id] = collection if isinstance(collection, str) else "", recorder.cpu_ns()

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            self._ended(event)

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            self._ended(event)

        def _ended(self, event: Any) -> None:
            collection, cpu_before = self._begun.pop(event.request_id, ("", 0))
            if _recorder is recorder:
                took = event.duration_micros * 1000
                names = {"command": event.command_name, "of": collection, "took": took, "cpu_before": cpu_before}
                recorder.note("database", names=names)

    monitoring.register(Commands())
