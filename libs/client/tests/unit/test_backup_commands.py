"""What `touchstone restore` refuses before it touches anything."""

import datetime
import gzip
import hashlib
import pathlib
from typing import Any

import bson
import pytest
from typer.testing import CliRunner

from touchstone.backup import archive
from touchstone.cli import backup
from touchstone.cli.app import app
from touchstone.provisioning.provision import ProvisioningFailed, provision_databases

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


def _backup(*documents: dict[str, Any]) -> bytes:
    """A file of these documents, with the right hash where its last one has one."""
    *others, last = documents
    written = b"".join(map(bson.encode, others))
    if "sha256" in last:
        last = last | {"sha256": hashlib.sha256(written).hexdigest()}
    return gzip.compress(written + bson.encode(last), mtime=0)


HEADER = {"format": archive.FORMAT, "version": archive.FORMAT_VERSION, "service": "certification", "database": "d"}
END: dict[str, Any] = {"end": True, "counts": {}, "sha256": ""}
AT = {"at": datetime.datetime(2026, 1, 1)}


@pytest.mark.parametrize(
    "content",
    [
        _backup(HEADER, {"end": True}),
        _backup(HEADER, END),
        _backup(HEADER | {"at": "yesterday"}, END),
        _backup(HEADER | AT, {"x": 1}),
        _backup(HEADER | AT, END | {"counts": 5}),
        b"\x1f\x8b\x08\x00" + b"\xff" * 200,
    ],
    ids=["no hash", "no time", "no real time", "no collection", "no counts", "no gzip"],
)
def test_a_file_that_only_begins_like_a_backup_is_refused_in_one_line(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "file.backup"
    path.write_bytes(content)

    done = CliRunner().invoke(app, ["restore", "--service", "certification", "--dry-run", str(path)])

    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "file.backup" in done.stderr


@pytest.mark.parametrize("address", ["mongodb://u:hunter2@h:x/", "mongodb://u:hunter2@h:99999999/", "mongodb://[::1"])
def test_an_address_that_is_none_is_said_without_its_password(tmp_path: pathlib.Path, address: str) -> None:
    wanted = ["backup", "--service", "certification", "--out", str(tmp_path / "file"), "--mongo-uri", address]

    done = CliRunner().invoke(app, wanted)
    with pytest.raises(ProvisioningFailed) as refused:
        provision_databases(address, "touchstone", [])

    assert (done.exit_code, len(done.stderr.splitlines()), len(refused.value.problems)) == (1, 1, 1)
    assert "hunter2" not in done.stderr + str(refused.value)
