"""What people and programs get to see."""

import io
import json

import pytest

from touchstone.cli import render, watch_view
from touchstone.cli.render import WIDTH_WITHOUT_TERMINAL, Output, clean, masked
from touchstone.events.watching import SeenEvent
from touchstone.rpc.client import BrokerUnreachable, NoAnswer
from touchstone_contracts.errors import FieldError, InvalidReport


def printed(capsys: pytest.CaptureFixture[str], *, as_json: bool, error: Exception) -> str:
    Output(as_json=as_json).failure(error, subject="report.json")
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_what_others_wrote_cannot_steer_the_terminal():
    assert clean("a\x1b[31mb\x9bc\u202ed\x08") == "a\ufffd[31mb\ufffdc\ufffdd\ufffd"
    assert clean("Århus Køge, قطر") == "Århus Køge, قطر"


FORGED = "12:00:00.000  certification.certificate_issued.v1  c-5  certificate 5 issued"
LINE_BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\t"]


@pytest.mark.parametrize("line_break", LINE_BREAKS)
def test_what_others_wrote_is_one_line(line_break: str):
    assert clean(f"Qatalum{line_break}{FORGED}") == f"Qatalum {FORGED}"


@pytest.mark.parametrize("line_break", [*LINE_BREAKS, " " * WIDTH_WITHOUT_TERMINAL])
def test_no_line_of_ours_can_be_forged_by_a_name_that_a_release_before_let_in(
    line_break: str, capsys: pytest.CaptureFixture[str]
):
    name, output = f"Qatalum{line_break}{FORGED}", Output(as_json=False)

    output.line(f"entity registered: {name}")
    output.facts("entity", {"name": name})
    output.table("entities", [{"name": name, "id": "e-1"}])
    output.failure(InvalidReport(name, [FieldError(name, "x", name)]), subject=name)

    printed = capsys.readouterr()
    assert not [line for line in (printed.out + printed.err).splitlines() if line.startswith(FORGED[:12])]


@pytest.mark.parametrize("name", [f"Qatalum\n{FORGED}", f"{FORGED[::-1]}\u202e"])
def test_an_event_that_passes_is_one_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    issued = {"type": "certification.certificate_issued.v1", "data": {"number": 7, "level": name}}
    event = SeenEvent(0.0, str(issued["type"]), "certificate-7", issued)
    monkeypatch.setattr(watch_view, "watch", lambda _uri: iter([event, event, None]))

    watch_view.show_events(Output(as_json=False), "amqp://nobody", until_idle_s=0)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("certificate 7 issued" in line and "\u202e" not in line for line in lines)


def test_of_a_body_each_line_is_set_in(capsys: pytest.CaptureFixture[str]):
    Output(as_json=False).block("not JSON\nhistory\x9b2J\r\nat")

    assert capsys.readouterr().out == "  not JSON\n  history\ufffd2J \n  at\n"


def test_json_that_could_steer_the_terminal_is_escaped(capsys: pytest.CaptureFixture[str]):
    Output(as_json=True).json({"name": "a\x1b[31m\x9b\u202e"})

    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x9b" not in out and "\u202e" not in out
    assert json.loads(out) == {"name": "a\x1b[31m\x9b\u202e"}


def test_rich_markup_in_data_is_only_text(capsys: pytest.CaptureFixture[str]):
    Output(as_json=False).facts("[bold]title[/]", {"name": "[red]x[/red] [link=http://e]y[/link]"})

    assert "[red]x[/red] [link=http://e]y[/link]" in capsys.readouterr().out


def test_contact_addresses_are_masked_wherever_they_stand():
    value = {"address": "person@example.org", "items": [{"email": "x@y.z"}], "to": ["a@b.c"], "note": "n@o.p"}

    assert masked(value) == {
        "address": "p•••@example.org",
        "items": [{"email": "x•••@y.z"}],
        "to": ["a•••@b.c"],
        "note": "n@o.p",
    }


def test_an_address_that_is_masked_already_stays_as_it_is():
    assert masked({"address": "p•••@example.org"}) == {"address": "p•••@example.org"}


def test_every_listed_fault_of_a_refusal_has_its_line_on_standard_error(capsys: pytest.CaptureFixture[str]):
    faults = [FieldError("findings[3].rating", "unknown_rating", "'good' is not a rating."), FieldError("", "x", "y")]

    lines = printed(capsys, as_json=False, error=InvalidReport("Two things are wrong.", faults)).splitlines()

    assert lines[0] == "report.json: invalid_report: Two things are wrong."
    assert lines[1].split() == ["findings[3].rating", "unknown_rating", "'good'", "is", "not", "a", "rating."]
    assert len(lines) == 3


def test_a_program_gets_the_error_object(capsys: pytest.CaptureFixture[str]):
    refusal = InvalidReport("Wrong.", [FieldError("a", "b", "c")])

    error = json.loads(printed(capsys, as_json=True, error=refusal))

    assert error == {"subject": "report.json", **refusal.as_dict()}


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [(BrokerUnreachable("Nothing answers."), "broker_unreachable", True), (NoAnswer("m", "k-1"), "no_answer", True)],
)
def test_a_failure_that_is_no_refusal_has_an_error_object_too(error: Exception, code: str, retryable: bool):
    made = render.error_object(error)

    assert (made["code"], made["retryable"]) == (code, retryable)


def test_who_got_no_answer_learns_the_key_to_ask_again_with(capsys: pytest.CaptureFixture[str]):
    assert "--idempotency-key k-1" in printed(capsys, as_json=False, error=NoAnswer("No answer.", "k-1"))


def test_a_long_list_is_counted_and_a_short_one_is_a_table(capsys: pytest.CaptureFixture[str]):
    findings = [{"criterion": str(number)} for number in range(59)]

    Output(as_json=False).facts("audit", {"findings": findings, "team": [{"auditor_id": "a-1", "role": "lead"}]})

    out = capsys.readouterr().out
    assert "59 entries" in out
    assert "a-1" in out and "lead" in out


def test_without_a_terminal_there_are_no_control_characters(capsys: pytest.CaptureFixture[str]):
    output = Output(as_json=False)

    output.facts("title", {"a": 1})
    output.table("rows", [{"a": 1, "b": None}])
    output.failure(InvalidReport("x"))

    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err


def test_a_console_without_a_terminal_is_wide():
    assert render.console(io.StringIO()).width == render.WIDTH_WITHOUT_TERMINAL
