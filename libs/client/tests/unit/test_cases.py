"""`touchstone cases stuck` at the command line: what is shown, what only with --all, and what for programs."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from touchstone.cases.leftover_queues import Queue
from touchstone.cli import cases, context
from touchstone.cli.app import app
from touchstone.rpc.client import Client

pytestmark = pytest.mark.usefixtures("fixed_time")


def waiting(case: str, who: str | None, minutes: int) -> dict[str, Any]:
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes, seconds=30)
    return {
        "case": case,
        "certificate_number": 195 if case == "aud-old" else None,
        "state": "held (row 7)",
        "since": since.isoformat(),
        "waits_for": f"member {case} to be in good standing, " + "and so on, " * 10,
        "who": who,
        "until": None,
        "reasons": [],
    }


class TableClient(Client):
    """Certification has three cases that are not decided."""

    def __init__(self, amqp_uri: str, token: Any = None, **_: Any):
        super().__init__(amqp_uri, token)

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        if method == "list_unfinished" and service == "certification":
            lines = [waiting("aud-new", "registrar", 3), waiting("aud-old", "registrar", 90)]
            return {"items": [*lines, waiting("aud-later", None, 90)], "next": None}
        if method == "list_hindrances":
            return {"unpublished": [], "parked": [], "deadlines": [], "more": False}
        if method == "trace_events":
            return {"consumes": [], "processed": [], "dead_letters": []}
        return {"items": [], "next": None}


@pytest.fixture(autouse=True)
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Queue]]:
    """Queues that nobody consumes."""
    found: list[Queue] = []
    monkeypatch.setenv("AMQP_URI", "amqp://guest:guest@broker/")
    monkeypatch.setattr(context, "Client", TableClient)
    monkeypatch.setattr(cases, "unconsumed_queues", lambda _uri: found)
    yield found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cases", "stuck", *arguments])


def shown(*arguments: str) -> list[str | None]:
    return [line["case"] for line in json.loads(run("--json", *arguments).stdout)]


def test_what_waits_for_somebody_is_shown_longest_first_and_the_rest_only_with_all():
    assert shown() == ["aud-old", "aud-new"]
    assert shown("--all") == ["aud-old", "aud-new", "aud-later"]


def test_what_has_only_just_begun_may_be_left_out():
    assert shown("--older-than", "10m") == ["aud-old"]
    assert shown("--older-than", "2h") == []


def test_the_table_says_where_since_when_who_and_what_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("touchstone.cli.render.WIDTH_WITHOUT_TERMINAL", 120)

    text = run().stdout

    assert "2 unfinished cases" in text and "1 more go on by themselves" in text
    words = ("aud-old (certificate 195)", "certification: held", "90 min", "registrar", "good standing")
    assert [word for word in words if word not in text] == []
    assert max(map(len, text.splitlines())) <= 120


def test_a_queue_with_messages_and_no_consumer_is_shown_and_an_empty_one_is_not(queues: list[Queue]):
    queues += [
        Queue("certification.x.v1", "certification", messages=3, consumers=0),
        Queue("certification.y.v1", "certification", messages=0, consumers=0),
    ]

    found = [line for line in json.loads(run("--json", "--older-than", "3d").stdout)]

    assert [(line["state"], line["waits_for"]) for line in found] == [
        ("queue not consumed", "a process that consumes certification.x.v1: 3 messages are in it")
    ]


def test_nothing_is_said_where_nothing_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(TableClient, "call", lambda *_, **__: _EMPTY)

    assert run().stdout == "nothing waits for anybody\n"


_EMPTY = {
    **{name: [] for name in ("items", "unpublished", "parked", "deadlines", "consumes", "processed", "dead_letters")},
    "next": None,
    "more": False,
}


@pytest.mark.parametrize("arguments", [("--older-than", "soon"), ("--window", "x")])
def test_an_age_that_is_none_is_wrong_usage(arguments: tuple[str, ...]):
    assert run(*arguments).exit_code == 2
