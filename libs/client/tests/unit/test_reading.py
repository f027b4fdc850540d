"""What is wrong with a file or an argument is said in one line, by every command that reads one."""

import json
import pathlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from touchstone.cli import context
from touchstone.cli.app import app
from touchstone.provisioning.provision import ProvisioningFailed
from touchstone.provisioning.users import provision_users
from touchstone.reading import Unreadable, json_of, read_text, text_of
from touchstone.rpc.client import Client
from touchstone_contracts.services import SERVICES

pytestmark = pytest.mark.usefixtures("fixed_time")

NAN = b'{"a": NaN}'
DEEP = b'{"a": ' + b"[" * 100_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
BAD: dict[str, tuple[bytes, str]] = {
    "NaN": (NAN, "NaN is no number there. Write null, or leave it out."),
    "infinity": (b'{"a": -Infinity}', "-Infinity is no number there"),
    "larger than any number": (b'{"a": 1e999}', "a number in it is too large"),
    "more digits than are read": (b'{"a": ' + b"1" * 5000 + b"}", "a number in it is too large"),
    "endless": (DEEP, "nested too deeply: 64 levels are the most"),
    "deep": (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "nested too deeply: 64 levels are the most"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "is not UTF-8: save it as UTF-8"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "is not UTF-8: save it as UTF-8"),
    "not closed": (b'{\n"a": 1', "is no JSON: expecting ',' delimiter in line 2, column 7"),
    "empty": (b"", "is no JSON: expecting value in line 1, column 1"),
}
bad = pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)


class SilentClient(Client):
    """Is never asked anything: what cannot be read is not sent."""

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        raise AssertionError(f"{service}.{method} was called")


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("AMQP_URI", "amqp://guest:guest@broker/")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TOUCHSTONE_KEY", raising=False)
    monkeypatch.setattr(context, "Client", SilentClient)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner(env={"TERM": "dumb", "COLUMNS": "300"}).invoke(app, list(arguments), input=stdin)


def said_by(result: Result) -> str:
    """What it said on standard error, usage and frames left out, as one line. Fails for a traceback."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = [re.sub(r"^[│╭╰─ ]+|[│╮╯─ ]+$", "", line) for line in result.stderr.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("Usage:", "Try ")))


@bad
def test_what_a_report_is_no_json_for_is_said(tmp_path: pathlib.Path, content: bytes, said: str):
    path = tmp_path / "report.json"
    path.write_bytes(content)

    result = run("submit", str(path))

    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    assert said in said_by(result) and "report.json" in said_by(result)


@bad
def test_what_arguments_in_a_file_are_no_json_for_is_said(tmp_path: pathlib.Path, content: bytes, said: str):
    path = tmp_path / "arguments.json"
    path.write_bytes(content)

    result = run("call", "membership", "activate", "--args", f"@{path}")

    assert result.exit_code == 2
    assert said in said_by(result)


@pytest.mark.parametrize("content", [NAN, DEEP], ids=["NaN", "endless"])
def test_what_arguments_are_no_json_for_is_said(content: bytes):
    result = run("call", "membership", "activate", "--args", content.decode())

    assert result.exit_code == 2
    assert "--args" in said_by(result)


@pytest.mark.parametrize("content", ['{"a": 1}'.encode("utf-16"), b"\xff"])
@pytest.mark.parametrize("from_stdin", [True, False])
def test_a_body_for_a_dead_letter_that_is_no_text_is_refused(tmp_path: pathlib.Path, content: bytes, from_stdin: bool):
    path = tmp_path / "event.json"
    path.write_bytes(content)

    result = run("dead-letters", "edit", "d-1", "--why", "x", "--body", "-" if from_stdin else str(path), stdin=content)

    assert result.exit_code == 2
    assert "is not UTF-8: save it as UTF-8" in said_by(result)


@pytest.mark.parametrize(
    "content", [NAN, DEEP, b"[1]", b'{"keys": [7]}', b'{"keys": 7}', '{"keys": []}'.encode("utf-16")]
)
def test_keys_that_cannot_be_read_are_said(tmp_path: pathlib.Path, content: bytes):
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    path.chmod(0o600)

    listed, signed = run("keys", "list", "--jwks", str(path)), run("token", "--role", "operator", "--key", str(path))

    assert (listed.exit_code, signed.exit_code) == (1, 1)
    assert "keys.json" in said_by(listed) and "keys.json" in said_by(signed)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_where_no_key_can_be_written_is_said(tmp_path: pathlib.Path, place: str):
    (tmp_path / "file").write_text("")

    result = run("keys", "init", "--private", str(tmp_path / "file" / "below" / "key"), "--jwks", str(tmp_path / place))

    assert result.exit_code == 1
    assert "file" in said_by(result)


@pytest.mark.parametrize("option", ["--timeout", "TOUCHSTONE_TIMEOUT_S"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1", "1e9"])
def test_a_time_that_no_call_can_have_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, option: str, seconds: str):
    if option.startswith("--"):
        result = run("accept", "a", option, seconds)
    else:
        monkeypatch.setenv(option, seconds)
        result = run("accept", "a")

    assert result.exit_code == 2
    assert "--timeout" in said_by(result)


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "--until-idle", "nan"),
        ("reconcile", "--every", "nan"),
        ("reconcile", "--rate", "nan"),
        ("reconcile", "--grace", "inf"),
        ("provision", "--wait", "nan"),
        ("dead-letters", "replay", "d-1", "--why", "x", "--rate", "nan"),
        ("cases", "stuck", "--window", "999999999d"),
    ],
)
def test_what_is_no_length_of_time_is_wrong_usage(arguments: tuple[str, ...]):
    result = run(*arguments)

    assert result.exit_code == 2
    assert arguments[-2] in said_by(result)


def test_a_token_that_is_no_text_is_wrong_usage(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOUCHSTONE_TOKEN", "a.b.\udcff")

    result = run("accept", "a")

    assert result.exit_code == 2
    assert "token" in said_by(result)


def test_a_caller_without_a_name_is_told_to_give_one(monkeypatch: pytest.MonkeyPatch):
    made = json.loads(run("keys", "init", "--json").stdout)
    monkeypatch.setattr("getpass.getuser", _nobody)

    by_key = run("accept", "a", "--key", made["private"], "--role", "operator")
    by_token = run("token", "--role", "operator")

    assert (by_key.exit_code, by_token.exit_code) == (2, 2)
    assert "--subject" in said_by(by_key) and "--subject" in said_by(by_token)


def _nobody() -> str:
    raise KeyError("getpwuid(): uid not found: 4711")


def test_without_a_home_the_place_for_keys_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(pathlib.Path, "expanduser", _no_home)

    result = run("keys", "list")

    assert result.exit_code == 1
    assert "XDG_CONFIG_HOME" in said_by(result)


def _no_home(_path: pathlib.Path) -> pathlib.Path:
    raise RuntimeError("Could not determine home directory.")


def test_the_mark_that_some_editors_put_before_a_text_is_no_part_of_it(tmp_path: pathlib.Path):
    (tmp_path / "a.json").write_text('{"ü": 1}', encoding="utf-8-sig")

    assert json_of(read_text(tmp_path / "a.json"), "a.json") == {"ü": 1}


@given(JSON)
def test_good_json_is_taken_as_it_is(value: Any):
    assert json_of(json.dumps(value), "x") == value


@given(st.binary(max_size=50) | st.text(alphabet='{}[]",:0123456789.eE+-NaInfty \n\\u', max_size=50).map(str.encode))
def test_whatever_is_handed_over_is_read_or_refused_in_one_line(content: bytes):
    try:
        json_of(text_of(content, "x"), "x")
    except Unreadable as refusal:
        assert len(str(refusal).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"), [("a:b".encode("utf-16"), "is not UTF-8"), (b"touchstone-outside", "is not of the form")]
)
def test_a_file_that_keeps_no_password_gives_no_user_an_empty_one(tmp_path: pathlib.Path, content: bytes, said: str):
    for who in (*SERVICES, "outside"):
        (tmp_path / who).mkdir()
        (tmp_path / who / "amqp").write_bytes(content)

    with pytest.raises(ProvisioningFailed, match=said):
        provision_users("amqp://guest:guest@broker/", "touchstone", tmp_path)
