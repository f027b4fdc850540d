"""`touchstone dead-letters`, with services that answer from a table instead of a broker."""

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from touchstone.cli import context
from touchstone.cli.app import app
from touchstone.cli.dead_letters import SERVICES
from touchstone.rpc.client import Client
from touchstone_contracts.errors import NotFound

LETTER = {
    "id": "d-1",
    "state": "parked",
    "parked_at": "2026-03-01T12:00:00.123000+00:00",
    "reason": "schema",
    "queue": "certification.x.v1",
    "error": "e" * 100,
    "attempts": 0,
    "replays": 0,
}
WHOLE = LETTER | {
    "body": {"id": "e-1", "data": {"address": "rosa@example.org"}},
    "edited_body": None,
    "headers": {},
    "properties": {"message_id": "e-1"},
    "actions": [{"at": "2026-03-01", "action": "parked", "who": "", "why": "schema", "what": ""}],
    "obstacle": {"id": "d-1", "code": "too_old", "message": "Too old."},
}


class TableClient(Client):
    """Certification has a dead letter `d-1`; the other services have none."""

    calls: list[tuple[str, dict[str, Any]]] = []

    def __init__(self, amqp_uri: str, token: Any = None, **_: Any):
        super().__init__(amqp_uri, token)

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        self.calls.append((f"{service}.{method}", arguments))
        has = service == "certification"
        if method == "list_dead_letters":
            return self._page(has, arguments)
        if method in ("get_dead_letter", "edit_dead_letter"):
            if not has:
                raise NotFound("nothing")
            return WHOLE
        done = "replayed" if method.startswith("replay") else "discarded"
        ids = arguments.get("ids", ["d-1"] if has else [])
        known = [id for id in ids if has and id == "d-1"]
        refused = [{"id": id, "code": "not_found", "message": "?"} for id in ids if id not in known]
        return {"dry_run": arguments["dry_run"], done: known, "refused": refused, "next": None}

    def _page(self, has: bool, arguments: dict[str, Any]) -> dict[str, Any]:
        second = "after" in arguments
        return {
            "items": [LETTER | {"id": "d-2" if second else "d-1"}] if has else [],
            "next": "c" if has and not second else None,
        }


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AMQP_URI", "amqp://guest:guest@broker/")
    monkeypatch.setattr(context, "Client", TableClient)
    TableClient.calls = []
    yield


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *arguments], input=input)


def asked(method: str) -> list[dict[str, Any]]:
    return [arguments for name, arguments in TableClient.calls if name == method]


def test_the_list_goes_over_all_services_and_pages():
    done = run("list", "--json")

    assert [(item["service"], item["id"]) for item in json.loads(done.stdout)] == [
        ("certification", "d-1"),
        ("certification", "d-2"),
    ]
    assert {name.partition(".")[0] for name, _ in TableClient.calls} == set(SERVICES)


def test_the_list_filters_and_is_a_table_for_people():
    done = run("list", "--service", "certification", "--reason", "schema", "--older-than", "2h", "--limit", "1")

    assert asked("certification.list_dead_letters") == [
        {"limit": 1, "state": "parked", "reason": "schema", "older_than_s": 7200}
    ]
    assert "d-1" in done.stdout and "d-2" not in done.stdout


def test_one_is_shown_with_its_history_and_what_is_in_the_way_and_without_addresses():
    done = run("show", "d-1")

    assert all(text in done.stdout for text in ("certification", "too_old", "history", "e-1"))
    assert json.loads(run("show", "d-1", "--json").stdout)["service"] == "certification"


def test_a_body_alone_is_what_edit_takes(tmp_path: pathlib.Path):
    body = run("show", "d-1", "--body").stdout
    file = tmp_path / "body.json"
    file.write_text(body)

    from_file, from_input = (run("edit", "d-1", "--body", name, "--why", "w", input=body) for name in (str(file), "-"))

    assert (from_file.exit_code, from_input.exit_code) == (0, 0)
    assert asked("certification.edit_dead_letter") == [{"id": "d-1", "body": body, "why": "w"}] * 2


def test_each_service_is_asked_for_the_ids_that_those_before_it_did_not_know():
    done = run("replay", "d-1", "d-9", "--why", "mended", "--json")

    outcomes = json.loads(done.stdout)["outcomes"]
    assert [(row["id"], row["service"], row["outcome"]) for row in outcomes] == [
        ("d-1", "certification", "replayed"),
        ("d-9", None, "not_found"),
    ]
    assert asked("notification.replay_dead_letters")[0]["ids"] == ["d-9"]
    assert done.exit_code == 1


def test_a_trial_by_filter_changes_nothing_and_says_so():
    done = run("discard", "--event", "x.v1", "--why", "w", "--dry-run")

    (arguments,) = asked("certification.discard_dead_letters")
    assert arguments == {"why": "w", "dry_run": True, "filter": {"event": "x.v1"}, "limit": 100}
    assert done.exit_code == 0 and "dry run" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "d-1"),  # no reason given
        ("replay", "--why", "w"),  # neither ids nor a filter
        ("discard", "d-1", "--all", "--why", "w"),
        ("list", "--older-than", "soon"),
        ("list", "--service", "bakery"),
        ("edit", "d-1", "--why", "w", "--body", "/nowhere"),
    ],
)
def test_wrong_usage_asks_nobody_to_change_anything(arguments: tuple[str, ...]):
    done = run(*arguments)

    assert done.exit_code == 2
    assert TableClient.calls == []
