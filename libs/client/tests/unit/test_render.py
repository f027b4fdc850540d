"""What people and programs get to see."""

import io
import json

import pytest

from touchstone.cli import render
from touchstone.cli.render import Output, clean, masked
from touchstone.rpc.client import BrokerUnreachable, NoAnswer
from touchstone_contracts.errors import FieldError, InvalidReport


def printed(capsys: pytest.CaptureFixture[str], *, as_json: bool, error: Exception) -> str:
    Output(as_json=as_json).failure(error, subject="report.json")
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_what_others_wrote_cannot_steer_the_terminal():
    assert clean("a\x1b[31mb\x9bc\u202ed\r") == "a\ufffd[31mb\ufffdc\ufffdd\ufffd"
    assert clean("Århus\tKøge\n") == "Århus\tKøge\n"


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
