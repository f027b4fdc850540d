"""What `touchstone restore` refuses before it touches anything."""

from typing import Any

import pytest
from typer.testing import CliRunner

from touchstone.backup import archive
from touchstone.cli import backup
from touchstone.cli.app import app

ADDRESSES = ["--amqp-uri", "amqp://guest:guest@127.0.0.1:9/", "--mongo-uri", "mongodb://127.0.0.1:9"]


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    monkeypatch.setattr(archive, "go_on_beyond", lambda *given, **named: made.append(given))
    monkeypatch.setattr(backup, "_refuse_while_running", lambda *_: None)
    return made


def test_a_dry_run_without_a_file_is_refused_and_changes_nothing(changes: list[Any]) -> None:
    wanted = ["restore", "--service", "certification", "--put-back-otherwise", *ADDRESSES]

    dry = CliRunner().invoke(app, [*wanted, "--dry-run"])

    assert (dry.exit_code, changes) == (2, [])
    assert "--dry-run" in dry.output
    assert CliRunner().invoke(app, wanted).exit_code == 0 and len(changes) == 1
