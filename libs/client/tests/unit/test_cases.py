"""`touchstone cases stuck` at the command line: what is shown, what only with --all, and what for programs."""

import datetime
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from touchstone.cases.leftover_queues import Queue
from touchstone.cases.stuck import Line
from touchstone.cases.timeline import Step
from touchstone.cli import cases, context
from touchstone.cli.app import app
from touchstone.cli.case_views import show_timeline, show_unfinished
from touchstone.cli.render import Output
from touchstone.rpc.client import Client
from touchstone_contracts.errors import NotFound

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


def test_the_table_says_where_since_when_who_and_what_for_a_line_each():
    text = run().stdout

    assert "2 unfinished cases" in text and "1 more go on by themselves" in text
    (row,) = [line for line in text.splitlines() if "aud-old" in line]
    words = ("aud-old (certificate 195)", "certification: held", "90 min", "registrar", "good standing", "and so on, ")
    assert [word for word in words if word not in row] == []


def test_at_a_terminal_the_table_is_as_wide_as_the_terminal():
    output = Output(as_json=False)
    output.out = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    now = datetime.datetime.now(datetime.UTC)

    show_unfinished(output, [Line(case="c-" * 40, service="certification", state="held", waits_for="x " * 100)], now)

    assert max(map(len, output.out.file.getvalue().splitlines())) <= 120  # type: ignore[attr-defined]


def test_no_id_is_broken_over_two_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    id = "example-assurance." + "report-2026-" * 10
    step = Step(kind="event", depth=3, service="assessment", text=f"report {id} submitted, and what is said of it " * 3)
    output = Output(as_json=False)

    show_unfinished(
        output, [Line(case=id, service="assessment", state="x", waits_for=id)], datetime.datetime.now(datetime.UTC)
    )
    show_timeline(output, [step])
    output.table("letters", [{"id": id, "error": "x " * 300, "queue": id}])
    output.facts("audit", {"audit_id": id, "reasons": [{"text": "x " * 300, "of": id}]})

    printed = capsys.readouterr().out
    assert printed.count(id) == 2 + 3 + 2 + 2


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


AUDIT = {
    **{name: None for name in ("accepted_at", "accepted_by", "history")},
    **{"state": "accepted", "submissions": [], "plan_reviews": [], "standard": {"code": "PS", "version": "3.0"}},
    **{"audit_type": "initial"},
}
CASE = {"state": "decided", "decision": None, "certificate_number": None, "standard": {"code": "PS", "version": "3.0"}}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"assessment.get_audit": AUDIT, "certification.get_case": CASE}, "nothing is missing"),
        (
            {"certification.get_case": CASE},
            "audit: not known, assessment knows no audit a-1, and certification has a case",
        ),
        ({"assessment.get_audit": AUDIT}, "case: not known, certification has none, and nothing is on its way"),
        (
            {"assessment.get_audit": AUDIT, "certification.get_case": CASE | {"certificate_number": 7}},
            "certificate: not known, the case gives certificate 7, and the register has none: see touchstone reconcile",
        ),
    ],
)
def test_of_a_case_that_two_services_do_not_agree_on_it_is_not_said_that_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, Any], said: str
):
    def call(_client: Any, service: str, method: str, /, **arguments: Any) -> Any:
        if method.startswith("get_"):
            if f"{service}.{method}" in known:
                return {"decision": None, **known[f"{service}.{method}"]}
            raise NotFound("There is none.")
        return _EMPTY

    monkeypatch.setattr(TableClient, "call", call)

    told = CliRunner().invoke(app, ["case", "a-1"])
    as_json = json.loads(CliRunner().invoke(app, ["case", "a-1", "--json"]).stdout)

    assert said in told.stdout and (said == "nothing is missing") is ("nothing is missing" in told.stdout)
    assert bool(as_json["unknown"]) is (said != "nothing is missing")
