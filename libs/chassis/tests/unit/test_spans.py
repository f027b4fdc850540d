"""Moments are recorded only when a test run in the sandbox asks for it, with names and never with contents."""

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import eventlet
import greenlet
import pytest
from pymongo import monitoring

from touchstone_chassis.config import ConfigError
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.observability import spans
from touchstone_chassis.testing import fault_points
from touchstone_chassis.unit_of_work.unit import Origin


@pytest.fixture(autouse=True)
def listeners(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What would listen to the clients of this process; and nothing is recorded after the test."""
    registered: list[Any] = []
    monkeypatch.setattr(monitoring, "register", registered.append)
    yield registered
    spans.switch_off()


def on(folder: Path) -> None:
    spans.switch_on({"TOUCHSTONE_SPANS": str(folder)}, sandbox=True, service="toy")


def written(folder: Path) -> list[list[Any]]:
    spans.switch_off()
    return [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]


def a_delivery() -> Delivery:
    headers = {"nameko.correlation_id": "c-1", "nameko.authorization": "a-token"}
    message = amqp.Message(b'{"secret": "a-body"}', message_id="m-1", correlation_id="r-1", application_headers=headers)
    return Delivery("a.queue", message, None, received_at=12.5)  # type: ignore[arg-type]


def spin(cpu_s: float) -> None:
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


def test_without_the_variable_nothing_is_recorded_and_no_greenlet_is_traced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spans.switch_on({}, sandbox=True, service="toy")

    spans.mark("work_started", a_delivery())
    fault_points.fault_point("after_commit")

    assert spans._recorder is None
    assert greenlet.gettrace() is None
    assert list(tmp_path.iterdir()) == []


def test_it_needs_the_sandbox_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="sandbox"):
        spans.switch_on({"TOUCHSTONE_SPANS": str(tmp_path)}, sandbox=False, service="toy")
    with pytest.raises(ConfigError, match="folder"):
        spans.switch_on({"TOUCHSTONE_SPANS": str(tmp_path / "none")}, sandbox=True, service="toy")


def test_a_moment_has_its_time_its_greenlet_and_its_point(tmp_path):
    on(tmp_path)
    before = time.time_ns()

    spans.mark("decoded")
    eventlet.spawn(spans.mark, "decoded").wait()

    mine, other = written(tmp_path)
    assert before <= mine[0] <= other[0] <= time.time_ns()
    assert mine[3] != other[3]
    assert [mine[4:], other[4:]] == [["decoded", {}], ["decoded", {}]]


def test_every_crash_point_is_a_moment(tmp_path):
    on(tmp_path)

    fault_points.fault_point("after_commit")

    assert [record[4] for record in written(tmp_path)] == ["after_commit"]


def test_cpu_time_is_booked_on_the_greenlet_that_had_it(tmp_path):
    on(tmp_path)

    def busy() -> None:
        spans.mark("begun")
        spin(0.02)
        eventlet.sleep(0)
        spans.mark("ended")

    def other() -> None:
        spin(0.08)

    threads = [eventlet.spawn(busy), eventlet.spawn(other)]
    for thread in threads:
        thread.wait()

    begun, ended = written(tmp_path)
    assert 0.019e9 < ended[2] - begun[2] < 0.06e9
    assert ended[1] - begun[1] > 0.09e9  # of the process


def test_a_delivery_is_named_by_ids_and_never_by_what_is_in_it(tmp_path):
    on(tmp_path)

    spans.mark("work_started", a_delivery())

    (record,) = written(tmp_path)
    assert record[5] == {"queue": "a.queue", "correlation": "c-1", "message": "m-1", "received": 12_500_000_000}
    assert "token" not in json.dumps(record) and "body" not in json.dumps(record)


def test_rows_origins_and_keys_are_named_by_ids(tmp_path):
    on(tmp_path)

    spans.mark("publish_begun", [{"_id": "e-1", "body": b"a-body", "correlation_id": "c-1"}])
    spans.mark("group_begun", [Origin("c-1", "e-1", by="a-person"), Origin("c-2")])
    spans.mark("command", "k-1")

    assert [record[5] for record in written(tmp_path)] == [
        {"rows": ["e-1"]},
        {"units": ["c-1/e-1", "c-2/"]},
        {"key": "k-1"},
    ]


def test_an_id_that_is_none_or_too_long_does_no_harm():
    origin = dataclasses.replace(Origin("c" * 5_000), causation_id=None)

    assert spans.named(origin) == {"units": ["c" * 100 + "/"]}
    assert spans.named(object()) == {}


class Event:
    """A command as the driver tells of it."""

    request_id, command_name, duration_micros = 7, "find", 1_500
    command = {"find": "things", "filter": {"secret": "a-value"}}


def test_an_id_that_json_cannot_hold_breaks_nothing(tmp_path):
    on(tmp_path)

    spans.mark("command", "half a character: \ud83d")

    assert [record[5] for record in written(tmp_path)] == [{"key": ""}]


def test_a_command_to_the_database_is_recorded_by_name_and_collection(tmp_path, listeners):
    on(tmp_path)

    listeners[0].started(Event)
    listeners[0].succeeded(Event)

    (record,) = written(tmp_path)
    assert 0 <= record[5].pop("cpu_before") <= record[2]
    assert record[4:] == ["database", {"command": "find", "of": "things", "took": 1_500_000}]


def test_after_the_limit_nothing_more_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(spans, "RECORDS_MAX", 2)
    on(tmp_path)

    for _ in range(5):
        spans.mark("decoded")

    assert len(written(tmp_path)) == 2


def test_where_there_is_no_room_recording_ends_and_work_goes_on(monkeypatch):
    monkeypatch.setattr(spans, "WRITTEN_AT_ONCE", 2)
    recorder = spans.Recorder(Path("/dev/full"))
    monkeypatch.setattr(spans, "_recorder", recorder)

    for _ in range(5):
        spans.mark("decoded")

    assert recorder._left == 0
    assert recorder._unwritten == []


def test_a_moment_is_in_the_file_soon_after_without_an_end_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(spans, "WRITTEN_AT_ONCE", 3)
    on(tmp_path)

    for _ in range(3):
        spans.mark("decoded")

    (path,) = tmp_path.iterdir()
    assert len(path.read_text().splitlines()) == 3
