"""Spans of several processes become one audit's way: without a gap, with what ran beside it, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from touchstone_devkit.profiling.page import show
from touchstone_devkit.profiling.submitting import Load
from touchstone_devkit.profiling.traces import PATH, Audit, Sent, Spans, Step

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = Sent(TRACE, begun=-1.0, answered=30.0)
EACH_HOP = 40


def a_span(name: str, id: str, begun: int, ended: int, *, links: Any = (), events: Any = (), **attributes: Any) -> Any:
    """As the SDK writes it, at milliseconds of the first second of all."""
    return {
        "name": name,
        "context": {"trace_id": f"0x{TRACE}", "span_id": id},
        "start_time": moment(begun),
        "end_time": moment(ended),
        "attributes": {key.replace("__", "."): it for key, it in attributes.items()},
        "events": [{"name": event, "timestamp": moment(at)} for event, at in events],
        "links": [{"context": {"span_id": of}, "attributes": {"messaging.message.id": id}} for of, id in links],
    }


def moment(ms: int) -> str:
    return f"1970-01-01T00:00:00.{ms:03}000Z"


def of_one_hop(number: int, hop: str, queue: str) -> list[Any]:
    """Of its 40 ms it is read at 1, waits till 2, runs from 3 to 10, is written till 14, committed at 16, sent 20."""
    at, id = EACH_HOP * number, f"handler-{hop}"
    names = {"messaging__destination__name": f"{queue}v1", "messaging__message__id": f"e-{number}"}
    if number == 0:
        del names["messaging__message__id"]
    handler = a_span(
        "handle",
        id,
        at + 2,
        at + 18,
        events=[("handler_begun", at + 3), ("handler_done", at + 10)],
        touchstone__outcome="handled" if number else "ok",
        touchstone__waited_ms=1.0,
        **names,
    )
    return [
        handler,
        a_span("find cases", f"read-{hop}", at + 4, at + 6, links=[(id, "")], db__system__name="mongodb"),
        a_span("commit", f"commit-{hop}", at + 12, at + 16, links=[(id, "")], events=[("written", at + 14)]),
        a_span(
            "publish",
            f"window-{hop}",
            at + 17,
            at + 30,
            links=[(id, f"e-{number + 1}")],
            events=[("sent", at + 20), ("confirmed", at + 25)],
        ),
    ]


@pytest.fixture
def written() -> list[Any]:
    return [span for number, (hop, queue) in enumerate(PATH.items()) for span in of_one_hop(number, hop, queue)]


def followed(written: list[Any], folder: Path) -> Audit | None:
    (folder / "a.jsonl").write_text("".join(json.dumps(span) + "\n" for span in written))
    return Spans(folder).audit(SENT)


def ms(audit: Audit, hop: str, *, beside: bool = False) -> dict[str, float]:
    return {s.name: round(s.ms, 3) for s in audit.steps if s.hop == hop and s.beside == beside}


def test_the_steps_of_the_way_follow_each_other_without_a_gap(written, tmp_path):
    audit = followed(written, tmp_path)

    way = [step for step in audit.steps if not step.beside]
    assert [step.begun for step in way[1:]] == [step.ended for step in way[:-1]]
    assert way[0].begun == SENT.begun and round(audit.ms, 3) == 2 * EACH_HOP + 16 + 1


def test_each_step_has_its_time(written, tmp_path):
    audit = followed(written, tmp_path)

    assert ms(audit, "certification") == {
        "broker: store, deliver": 21,
        "wait for a worker": 1,
        "decode, check": 1,
        "handler with its reads": 7,
        "wait for a group commit": 2,
        "write in the transaction": 2,
        "commit the transaction": 2,
        "wait for the relay": 1,
        "write to the broker": 3,
    }
    assert ms(audit, "assessment")["client, broker: send, route, deliver"] == 2


def test_what_nobody_waits_for_is_beside(written, tmp_path):
    audit = followed(written, tmp_path)

    assert ms(audit, "certification", beside=True) == {
        "answer, acknowledge": 2,
        "wait for the confirm": 5,
        "mark as published": 5,
        "database: find cases": 2,
    }
    assert ms(audit, "client", beside=True) == {"until the answer": 31}


def test_a_try_that_failed_and_a_message_that_came_twice_are_told_apart(written, tmp_path):
    handler = written[0]
    handler["events"].insert(0, {"name": "handler_begun", "timestamp": moment(3)})
    failed = a_span("commit", "x", 11, 12, links=[("handler-assessment", "")], error__type="Clash")
    names = {"messaging__destination__name": "rpc-assessment", "touchstone__outcome": "repeated"}

    audit = followed([a_span("handle", "y", 0, 1, **names), failed, *written], tmp_path)

    assert audit.again == 1
    assert ms(audit, "assessment")["wait for a group commit"] == 2


@pytest.mark.parametrize("missing", ["handler-certification", "commit-notification"])
def test_an_audit_of_which_a_part_was_not_recorded_is_not_followed(written, tmp_path, missing):
    kept = [span for span in written if span["context"]["span_id"] != missing]

    assert followed(kept, tmp_path) is None


def test_the_page_shows_every_step_of_every_load(tmp_path):
    audits = [
        Audit([Step("client", "until the answer", 0, ms), Step("assessment", "decode, check", 0, ms, beside=False)], 1)
        for ms in (1.0, 9.0)
    ]
    alone, together, untraced = (
        Load(title, [SENT, SENT], 2.0, dict.fromkeys(PATH, 3.5)) for title in ("alone", "many", "many, no traces")
    )
    (tmp_path / "assessment.svg").write_text("<svg/>")

    show("A machine.", [(alone, audits), (together, audits[:1])], untraced, tmp_path)

    page = (tmp_path / "index.html").read_text()
    for words in ("A machine.", "decode, check", "until the answer", "many, no traces", "100.0%", "3.5", "9.0 ms"):
        assert words in page
    assert '<object data="assessment.svg"' in page


def test_a_page_without_flame_graphs_says_why(tmp_path):
    load = Load("alone", [SENT], 1.0, dict.fromkeys(PATH, 1.0))

    show("", [(load, [Audit([Step("client", "x", 0, 1, beside=False)], 0)])], load, tmp_path)

    assert "no flame graphs: py-spy said above why" in (tmp_path / "index.html").read_text()
