"""`touchstone reconcile list` and `accept`, with services that answer from a table instead of a broker."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from touchstone.cli import context
from touchstone.cli.app import app
from touchstone.reconciliation.snapshot import SERVICES
from touchstone.rpc.client import Client

FOUND = {"id": "d-1", "kind": "notices_doubled", "about": {}, "sentence": "Twice.", "state": "open", "found_at": "now"}


class TableClient(Client):
    """Notification has two differences, of which the second is settled; the other services have none."""

    calls: list[tuple[str, dict[str, Any]]] = []

    def __init__(self, amqp_uri: str, token: Any = None, **_: Any):
        super().__init__(amqp_uri, token)

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        self.calls.append((f"{service}.{method}", arguments))
        has = service == "notification"
        if method == "list_differences":
            first = "after" not in arguments
            item = FOUND | {"id": "d-1" if first else "d-2"}
            return {"items": [item] if has else [], "next": "x" if has and first else None}
        refused = {"d-2": "settled"} if has else dict.fromkeys(["d-1", "d-2"], "not_found")
        left = [{"id": id, "code": refused.get(id, "not_found"), "message": "?"} for id in arguments["ids"]]
        accepted = [id for id in arguments["ids"] if has and id == "d-1"]
        return {"accepted": accepted, "refused": [refusal for refusal in left if refusal["id"] not in accepted]}


@pytest.fixture(autouse=True)
def services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "Client", TableClient)
    monkeypatch.setattr(TableClient, "calls", [])


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["reconcile", *arguments, "--amqp-uri", "amqp://broker/", "--json"])


def test_all_that_is_open_is_listed_page_by_page_with_its_service() -> None:
    done = run("list")

    assert [(item["service"], item["id"]) for item in json.loads(done.stdout)] == [
        ("notification", "d-1"),
        ("notification", "d-2"),
    ]


def test_a_difference_is_accepted_wherever_it_was_reported() -> None:
    done = run("accept", "d-1", "--why", "apologised")

    assert done.exit_code == 0 and json.loads(done.stdout) == {"accepted": ["d-1"], "refused": []}
    asked = {"ids": ["d-1"], "why": "apologised"}
    assert TableClient.calls == [(f"{service}.accept_differences", asked) for service in SERVICES]


def test_what_cannot_be_accepted_is_told_with_the_reason_of_who_knows_it_and_status_one() -> None:
    done = run("accept", "d-1", "d-2", "d-3", "--why", "apologised")

    told = json.loads(done.stdout)
    assert done.exit_code == 1 and told["accepted"] == ["d-1"]
    assert {row["id"]: row["code"] for row in told["refused"]} == {"d-2": "settled", "d-3": "not_found"}


def test_nothing_is_accepted_without_a_reason() -> None:
    assert run("accept", "d-1").exit_code == 2 and TableClient.calls == []
