"""`touchstone reference`: a file goes to the service whose kind it is, and what comes back is held against its hash."""

import json
import pathlib
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from touchstone.cli import context, reference
from touchstone.cli.app import app
from touchstone.rpc.client import Client
from touchstone_contracts import services
from touchstone_contracts.errors import AlreadyExists, FieldError
from touchstone_contracts.reference import canonical, hash_of

pytestmark = pytest.mark.usefixtures("fixed_time")

DOCUMENT: Any = {"kind": "rule_set", "id": "decision-table", "version": 2, "rows": [{"id": "7"}]}
SUMMARY = {"id": "decision-table", "version": 2, "effective_from": "2027-01-01", "hash": hash_of(canonical(DOCUMENT))}


class ToldClient(Client):
    """Answers what the test says, page by page where it says a list, and notes what it was asked."""

    said: Any = None
    calls: list[tuple[str, dict[str, Any]]] = []

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        self.calls.append((f"{service}.{method}", arguments))
        if isinstance(self.said, Exception):
            raise self.said
        return self.said.pop(0) if isinstance(self.said, list) else self.said


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> type[ToldClient]:
    monkeypatch.setenv("AMQP_URI", "amqp://guest:guest@broker/")
    monkeypatch.setattr(context, "Client", ToldClient)
    ToldClient.said, ToldClient.calls = None, []
    return ToldClient


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["reference", *arguments])


def written(folder: pathlib.Path, content: Any) -> str:
    path = folder / "rule-set-2.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_a_file_goes_whole_to_the_service_whose_kind_it_is(client: type[ToldClient], tmp_path: pathlib.Path) -> None:
    client.said = SUMMARY

    result = run("publish", "--json", written(tmp_path, DOCUMENT))

    assert (result.exit_code, json.loads(result.stdout)) == (0, SUMMARY)
    assert client.calls == [("certification.publish_rule_set", {"document": DOCUMENT, "idempotency_key": None})]


def test_what_differs_from_what_is_published_is_shown_line_by_line(
    client: type[ToldClient], tmp_path: pathlib.Path
) -> None:
    client.said = AlreadyExists(
        "It is there.", [FieldError("document.title", "differs", "Published is A, given is B.")]
    )

    result = run("publish", written(tmp_path, DOCUMENT))

    assert result.exit_code == 1
    assert "document.title  differs  Published is A, given is B." in result.stderr


@pytest.mark.parametrize("content", [{}, {"kind": "standards"}, {"kind": ["rule_set"]}, [DOCUMENT], "rule_set"])
def test_a_file_of_no_known_kind_is_sent_to_nobody(
    client: type[ToldClient], tmp_path: pathlib.Path, content: Any
) -> None:
    result = run("publish", written(tmp_path, content))

    assert (result.exit_code, client.calls) == (2, [])
    assert "rule_set" in result.stderr


def test_a_file_that_is_no_json_is_a_failure_in_one_line(client: type[ToldClient], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "rule-set-2.json"
    path.write_text('{"version": 2, "version": 3}')

    result = run("publish", str(path))

    assert (result.exit_code, client.calls) == (1, [])
    assert "version" in result.stderr


def test_all_pages_are_listed(client: type[ToldClient]) -> None:
    client.said = [{"items": [SUMMARY | {"version": 1}], "next": "1"}, {"items": [SUMMARY], "next": None}]

    result = run("list", "--kind", "rule_set", "--json")

    assert [(one["kind"], one["version"]) for one in json.loads(result.stdout)] == [("rule_set", 1), ("rule_set", 2)]
    assert client.calls[1] == ("certification.list_rule_sets", {"after": "1"})


@pytest.mark.parametrize(
    ("options", "asked"),
    [((), {}), (("--version", "2"), {"version": 2}), (("--on", "2027-01-01"), {"on": "2027-01-01"})],
)
def test_a_version_is_shown_by_number_or_by_day_with_whether_its_hash_agrees(
    client: type[ToldClient], options: tuple[str, ...], asked: dict[str, Any]
) -> None:
    client.said = SUMMARY | {"document": DOCUMENT}

    result = run("show", "rule_set", *options, "--json")

    assert (result.exit_code, json.loads(result.stdout)["hash_agrees"]) == (0, True)
    assert client.calls == [("certification.get_rule_set", asked)]


def test_a_document_that_does_not_have_its_hash_ends_with_no(client: type[ToldClient]) -> None:
    client.said = SUMMARY | {"document": DOCUMENT | {"rows": []}}

    result = run("show", "rule_set", "--json")

    assert (result.exit_code, json.loads(result.stdout)["hash_agrees"]) == (context.ANSWER_IS_NO, False)


def test_all_kinds_are_listed_unless_one_is_named(client: type[ToldClient]) -> None:
    items = ([SUMMARY | {"id": "obligations"}], [SUMMARY], [SUMMARY | {"id": "PS-3.0"}])
    client.said = [{"items": item, "next": None} for item in items]

    result = run("list", "--json")

    assert [(one["kind"], one["id"]) for one in json.loads(result.stdout)] == [
        ("obligations", "obligations"),
        ("rule_set", "decision-table"),
        ("standard", "PS-3.0"),
    ]


def test_a_standard_is_shown_by_its_id(client: type[ToldClient]) -> None:
    client.said = SUMMARY | {"id": "PS-3.0", "document": DOCUMENT}

    assert run("show", "standard", "PS-3.0", "--version", "2").exit_code == 0
    assert client.calls == [("assessment.get_published_standard", {"id": "PS-3.0", "version": 2})]


@pytest.mark.parametrize("wrong", [("standard",), ("rule_set", "PS-3.0"), ("period",)])
def test_a_kind_with_ids_needs_one_and_another_takes_none(client: type[ToldClient], wrong: tuple[str, ...]) -> None:
    assert (run("show", *wrong).exit_code, client.calls) == (2, [])


def test_a_version_and_a_day_together_are_a_usage_error(client: type[ToldClient]) -> None:
    assert run("show", "rule_set", "--version", "1", "--on", "2027-01-01").exit_code == 2
    assert client.calls == []


def test_every_kind_is_published_by_a_service_that_there_is() -> None:
    assert {kind.service for kind in reference.KINDS.values()} <= set(services.SERVICES)
