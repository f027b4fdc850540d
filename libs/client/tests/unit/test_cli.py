"""The command line, with a client that answers from a table instead of a broker."""

import base64
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from touchstone.cli import context
from touchstone.cli.app import app
from touchstone.rpc.client import BrokerUnreachable, Client, NoAnswer
from touchstone_contracts.errors import FieldError, Forbidden, InvalidReport, NotFound, Unauthenticated

pytestmark = pytest.mark.usefixtures("fixed_time")

AUDIT = {"audit_id": "dnv.r-1", "state": "accepted", "entity": {"id": "e", "name": "E", "country": "NO"}}
CASE = {"case_id": "dnv.r-1", "state": "decided", "certificate_number": 195, "decision": {"decided_by": "rule set 1"}}
NOTICE = {"notice_id": "n-1", "type": "certificate_issued", "address": "person@example.org", "state": "sent"}


class TableClient(Client):
    """Answers `service.method` from `answers`: a value, an exception, or a function of the arguments."""

    answers: dict[str, Any] = {}
    calls: list[tuple[str, dict[str, Any]]] = []
    made: list[dict[str, Any]] = []

    def __init__(self, amqp_uri: str, token: Any = None, **_: Any):
        super().__init__(amqp_uri, token)
        self.made.append({"amqp_uri": amqp_uri, "token": token() if callable(token) else token})

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        self.calls.append((f"{service}.{method}", arguments))
        answer = self.answers.get(f"{service}.{method}", NotFound("nothing"))
        if isinstance(answer, Exception):
            raise answer
        return answer(**arguments) if callable(answer) else answer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[None]:
    for name in ("TOKEN", "KEY", "ROLE", "SUBJECT", "CAB", "MEMBER", "ISSUER", "JWKS", "AMQP_URI", "TIMEOUT_S"):
        monkeypatch.delenv(f"TOUCHSTONE_{name}", raising=False)
    monkeypatch.setenv("AMQP_URI", "amqp://guest:hunter2@broker/")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(context, "Client", TableClient)
    TableClient.answers, TableClient.calls, TableClient.made = {}, [], []
    yield


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def report_file(tmp_path: pathlib.Path) -> Callable[..., str]:
    def write(name: str, **content: Any) -> str:
        path = tmp_path / name
        path.write_text(json.dumps({"report": {"report_id": name, **content}, "history": {"number": 7}}))
        return str(path)

    return write


def test_submitting_the_same_file_twice_uses_the_same_key(report_file: Callable[..., str]):
    TableClient.answers["assessment.submit_audit_report"] = {"audit_id": "dnv.r-1", "state": "submitted"}
    path = report_file("a.json")

    first, second = run("submit", path), run("submit", path)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "dnv.r-1" in first.stdout
    keys = {arguments["idempotency_key"] for _, arguments in TableClient.calls}
    assert len(keys) == 1 and len(TableClient.calls) == 2


def test_what_a_submitted_report_waits_for_is_said(report_file: Callable[..., str]):
    waits = {
        "what": "facility x-9 is not known yet",
        "who": "membership",
        "since": "s",
        "target": "scope.facilities[0].id",
    }
    answer = {"audit_id": "dnv.r-1", "state": "submitted", "waits_for": [waits]}
    TableClient.answers["assessment.submit_audit_report"] = answer

    result = run("submit", report_file("a.json"))

    assert "dnv.r-1 waits for membership: facility x-9 is not known yet (scope.facilities[0].id)" in result.stdout


def test_of_several_files_each_has_its_turn_and_one_refusal_makes_the_exit_status_1(report_file: Callable[..., str]):
    def answer(report: dict[str, Any], **_: Any) -> Any:
        if report["report_id"] == "bad.json":
            raise InvalidReport("Wrong.", [FieldError("findings[3].rating", "unknown_rating", "No.")])
        return {"audit_id": f"dnv.{report['report_id']}", "state": "submitted"}

    TableClient.answers["assessment.submit_audit_report"] = answer

    result = run("submit", "--json", report_file("good.json"), report_file("bad.json"), report_file("more.json"))

    assert result.exit_code == 1
    first, bad, last = json.loads(result.stdout)
    assert (first["state"], last["state"]) == ("submitted", "submitted")
    assert bad["error"]["errors"][0]["path"] == "findings[3].rating"
    assert json.loads(result.stderr)["subject"].endswith("bad.json")


def test_a_refusal_lists_every_fault_on_standard_error(report_file: Callable[..., str]):
    faults = [FieldError(f"findings[{n}].rating", "unknown_rating", "No.") for n in range(5)]
    TableClient.answers["assessment.submit_audit_report"] = InvalidReport("Five things are wrong.", faults)

    result = run("submit", report_file("bad.json"))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert [line.split()[0] for line in result.stderr.splitlines()[1:]] == [fault.path for fault in faults]


def test_an_import_sends_the_history_of_the_file(report_file: Callable[..., str]):
    TableClient.answers["assessment.import_audit_report"] = {"audit_id": "dnv.r-1", "state": "accepted"}

    result = run("submit", "--import", report_file("a.json"))

    assert result.exit_code == 0
    assert TableClient.calls[0][1]["history"] == {"number": 7}


def test_an_import_without_history_is_refused_before_anything_is_sent(tmp_path: pathlib.Path):
    path = tmp_path / "bare.json"
    path.write_text('{"report_id": "R-1"}')

    result = run("submit", "--import", str(path))

    assert result.exit_code == 1
    assert "--history" in result.stderr
    assert TableClient.calls == []


def test_accepting_and_returning_name_the_audit_and_the_reasons():
    TableClient.answers = {"assessment.accept_audit_report": AUDIT, "assessment.return_audit_report": AUDIT}

    accepted = run("accept", "dnv.r-1", "--idempotency-key", "k")
    returned = run("return", "dnv.r-1", "--reason", "one", "--reason", "two")

    assert (accepted.exit_code, returned.exit_code) == (0, 0)
    assert TableClient.calls[0] == ("assessment.accept_audit_report", {"audit_id": "dnv.r-1", "idempotency_key": "k"})
    assert TableClient.calls[1][1]["reasons"] == ["one", "two"]


def test_status_shows_audit_case_certificate_and_notices_together_with_addresses_masked():
    TableClient.answers = {
        "assessment.get_audit": AUDIT,
        "certification.get_case": CASE,
        "certification.get_certificate": {"number": 195, "status": "valid"},
        "notification.list_notices": lambda after=None, **_: {"items": [NOTICE], "next": None if after else "more"},
    }

    for_people, for_programs = run("status", "dnv.r-1"), run("status", "dnv.r-1", "--json")

    assert (for_people.exit_code, for_programs.exit_code) == (0, 0)
    for text in ("accepted", "decided", "195", "valid", "notices (2)", "certificate_issued", "p•••@example.org"):
        assert text in for_people.stdout
    found = json.loads(for_programs.stdout)
    assert [notice["address"] for notice in found["notices"]] == ["p•••@example.org"] * 2


def test_status_says_what_is_not_there_yet_and_what_the_caller_may_not_see():
    TableClient.answers = {"assessment.get_audit": AUDIT, "notification.list_notices": Forbidden("Not for you.")}

    result = run("status", "dnv.r-1")

    assert result.exit_code == 0
    assert "case: none yet" in result.stdout
    assert "notices: Not for you." in result.stdout


def test_status_of_an_unknown_case_fails():
    TableClient.answers = {"notification.list_notices": {"items": [], "next": None}}

    result = run("status", "nothing")

    assert result.exit_code == 1
    assert "not_found" in result.stderr


@pytest.mark.parametrize(("valid", "exit_code"), [(True, 0), (False, 3)])
def test_verify_tells_validity_by_its_exit_status(valid: bool, exit_code: int):
    TableClient.answers["certification.verify_certificate"] = {"number": 195, "valid": valid}

    result = run("verify", "195", "--on", "2024-01-01", "--json")

    assert result.exit_code == exit_code
    assert json.loads(result.stdout)["valid"] is valid
    assert TableClient.calls[0][1] == {"number": 195, "on": "2024-01-01"}


def test_call_reaches_any_method(tmp_path: pathlib.Path):
    TableClient.answers["membership.activate"] = {"state": "active"}
    (tmp_path / "args.json").write_text('{"member_id": "m", "idempotency_key": "k"}')

    inline = run("call", "membership", "activate", "--args", '{"member_id": "m"}')
    from_file = run("call", "membership", "activate", "--args", f"@{tmp_path / 'args.json'}")

    assert json.loads(inline.stdout) == json.loads(from_file.stdout) == {"state": "active"}
    assert TableClient.calls[1][1]["idempotency_key"] == "k"


def test_notices_are_sent_again_by_their_ids_or_all_of_a_contact_page_by_page():
    TableClient.answers["notification.send_notices_again"] = lambda after=None, **_: {
        "items": [NOTICE | {"state": "pending"}],
        "next": None if after else "more",
    }

    by_id = run("notices", "send-again", "n-1", "n-2", "--json")
    of_contact = run("notices", "send-again", "--contact", "rosa")

    asked = [{k: v for k, v in arguments.items() if v is not None} for _, arguments in TableClient.calls]
    by_contact = [{"contact_id": "rosa"}, {"contact_id": "rosa", "after": "more"}]
    assert asked == [{"notice_id": "n-1"}, {"notice_id": "n-2"}, *by_contact]
    assert [notice["address"] for notice in json.loads(by_id.stdout)] == ["p•••@example.org"] * 2
    assert "to be sent again: 2" in of_contact.stdout and "pending" in of_contact.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("notices", "send-again"),
        ("notices", "send-again", "n-1", "--contact", "rosa"),
        ("notices", "send-again", "n-1", "n-2", "--idempotency-key", "k"),
        ("submit",),
        ("accept",),
        ("return", "a"),
        ("certificate", "abc"),
        ("call", "s", "m", "--args", "{"),
        ("call", "s", "m", "--args", "[]"),
        ("call", "s", "m", "--args", '{"a": 1, "a": 1}'),
        ("call", "s", "m", "--args", "[" * 100_000),
        ("call", "s", "m", "--args", "@/no/such/file"),
        ("nonsense",),
        ("accept", "a", "--no-such-option"),
        ("submit", "a", "b", "--idempotency-key", "k"),
        ("token",),
    ],
)
def test_wrong_usage_ends_with_status_2(arguments: tuple[str, ...]):
    assert run(*arguments).exit_code == 2


def test_without_a_brokers_address_usage_is_wrong(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AMQP_URI")

    for arguments in (("accept", "a"), ("watch",), ("provision",)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "TOUCHSTONE_AMQP_URI" in result.stderr


@pytest.mark.parametrize("failure", [BrokerUnreachable("Nothing answers."), NoAnswer("No answer.", "k-1")])
def test_a_failure_is_told_without_a_traceback(failure: Exception):
    TableClient.answers["assessment.accept_audit_report"] = failure

    result = run("accept", "a")

    assert result.exit_code == 1
    assert str(failure) in result.stderr
    assert "Traceback" not in result.stderr


def test_who_has_no_token_learns_how_to_give_one():
    TableClient.answers["assessment.accept_audit_report"] = Unauthenticated("This call needs a token.")

    assert "TOUCHSTONE_KEY" in run("accept", "a").stderr


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_with_a_private_key_every_command_signs_its_own_token(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path):
    TableClient.answers["assessment.accept_audit_report"] = AUDIT
    made = json.loads(run("keys", "init", "--issuer", "asi", "--json").stdout)
    monkeypatch.setenv("TOUCHSTONE_KEY", made["private"])

    run("accept", "a", "--role", "secretariat", "--subject", "boss")
    monkeypatch.setenv("TOUCHSTONE_ROLE", "assessor")
    run("accept", "a", "--cab", "dnv")

    first, second = (claims_of(client["token"]) for client in TableClient.made)
    assert (first["iss"], first["sub"], first["role"]) == ("asi", "boss", "secretariat")
    assert (second["role"], second["cab"]) == ("assessor", "dnv")


def test_a_given_token_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOUCHSTONE_TOKEN", "a.b.c")
    TableClient.answers["assessment.accept_audit_report"] = AUDIT

    run("accept", "a")

    assert TableClient.made[0]["token"] == "a.b.c"


def test_the_register_is_read_without_a_token():
    TableClient.answers["certification.get_certificate"] = {"number": 195}

    assert run("certificate", "195").exit_code == 0
    assert TableClient.made[0]["token"] is None


def test_token_prints_the_token_alone_and_keys_list_shows_no_secret():
    run("keys", "init")

    token = run("token", "--role", "member", "--member", "m", "--life", "60").stdout
    listed = run("keys", "list", "--json").stdout

    assert claims_of(token.strip())["member"] == "m"
    assert token.count("\n") == 1
    assert [set(key) for key in json.loads(listed)] == [{"kid", "iss", "kty", "crv", "roles", "party"}]


def test_a_token_that_no_service_would_take_is_refused():
    run("keys", "init")

    result = run("token", "--role", "assessor")

    assert result.exit_code == 1
    assert "cab" in result.stderr


def test_a_password_is_never_printed():
    result = run(
        "provision",
        "--mongo-uri",
        "mongodb://u:hunter2@localhost:1/",
        "--wait",
        "0.1",
        "--amqp-uri",
        "amqp://u:hunter2@localhost:1/",
    )

    assert result.exit_code == 1
    assert "hunter2" not in result.stdout + result.stderr + run("accept", "--help").stdout


def test_every_command_offers_json():
    commands = ["submit", "accept", "return", "status", "certificate", "verify", "call", "watch", "token", "provision"]

    lacking = [command for command in commands if "--json" not in run(command, "--help").stdout]
    lacking += [command for command in ("init", "list") if "--json" not in run("keys", command, "--help").stdout]

    assert lacking == []
