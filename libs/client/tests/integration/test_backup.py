"""A backup of a real database while it is written to, and what a restore takes and refuses."""

import datetime
import functools
import gzip
import pathlib
import stat
import threading
from collections.abc import Iterator
from typing import Any

import bson
import pymongo
import pytest
from typer.testing import CliRunner

from touchstone.backup import archive
from touchstone.backup.archive import BackupFailed, RestoreFailed, back_up, go_on_beyond, read_summary, restore
from touchstone.cli.app import app
from touchstone.rpc.blocking import open_connection
from touchstone_contracts.bookkeeping import HALF_RESTORED

PAIRS = 400


@pytest.fixture
def database(backing: Any, database_prefix: str) -> Iterator[Any]:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(backing.mongo_uri, tz_aware=True)
    yield client[f"{database_prefix}_certification"]
    client.close()


@pytest.fixture
def filled(database: Any) -> Any:
    database["cases"].insert_many({"_id": f"c-{n}", "at": datetime.datetime(2026, 3, 1), "n": n} for n in range(1_200))
    database["sequences"].insert_one({"_id": "certificates", "last": 10_007})
    database["leases"].insert_one({"_id": "outbox-sweep", "owner": "somebody"})
    return database


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "certification.backup"


def everything(database: Any) -> dict[str, list[dict]]:
    return {name: list(database[name].find(sort=[("_id", 1)])) for name in sorted(database.list_collection_names())}


def test_a_restored_database_holds_what_was_backed_up_but_for_leases_and_later_numbers(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path
):
    before = everything(filled)
    summary = back_up(backing.mongo_uri, database_prefix, "certification", path)
    filled["cases"].delete_many({"n": {"$lt": 600}})
    filled["cases"].insert_one({"_id": "later"})

    restore(backing.mongo_uri, database_prefix, "certification", path, replace=True)

    after = everything(filled)
    assert after["cases"] == before["cases"]
    assert after["sequences"] == [{"_id": "certificates", "last": 20_007}]
    assert "leases" not in after
    assert summary.counts == {"cases": 1_200, "sequences": 1}
    assert read_summary(path) == summary
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (note,) = after["restores"]
    assert note["finished"] and note["sha256"] == summary.sha256 and note["numbers_above"] == 20_007


def test_a_backup_shows_one_moment_while_pairs_are_written(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path
):
    half_way, ended = threading.Event(), threading.Event()

    def write_pairs() -> None:
        for n in range(PAIRS):
            with filled.client.start_session() as session, session.start_transaction():
                filled["a"].insert_one({"_id": n}, session=session)
                filled["z"].insert_one({"_id": n}, session=session)
            if n == PAIRS // 4:
                half_way.set()
        ended.set()

    filled.create_collection("a")
    filled.create_collection("z")
    writer = threading.Thread(target=write_pairs)
    writer.start()
    assert half_way.wait(60)

    summary = back_up(backing.mongo_uri, database_prefix, "certification", path)
    began_before_the_end = not ended.is_set()
    writer.join()

    assert began_before_the_end
    assert summary.counts["a"] == summary.counts["z"] < PAIRS


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda raw: raw[:-40], "cut off"),
        (lambda raw: raw.replace(b"c-7\x00", b"c-8\x00", 1), "damaged"),
        (lambda raw: raw + bson.encode({"c": "cases", "d": {}}), "goes on behind its end"),
        (lambda raw: bson.encode({"format": "other"}) + raw, "no backup"),
        (lambda raw: raw.replace(b"version\x00\x01", b"version\x00\x02", 1), "version 2"),
    ],
    ids=["cut", "changed", "longer", "other", "newer"],
)
def test_a_file_that_is_not_whole_changes_nothing(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path, spoil: Any, sentence: str
):
    back_up(backing.mongo_uri, database_prefix, "certification", path)
    raw = gzip.decompress(path.read_bytes())
    whole = spoil(raw) if sentence != "cut off" else raw[: raw.rindex(bson.encode({"end": True})[4:10]) - 4]
    path.write_bytes(gzip.compress(whole))
    before = everything(filled)

    with pytest.raises(RestoreFailed, match=sentence):
        restore(backing.mongo_uri, database_prefix, "certification", path, replace=True)

    assert everything(filled) == before


def test_a_file_that_is_cut_as_gzip_or_none_at_all_is_refused(path: pathlib.Path):
    path.write_bytes(gzip.compress(b"x" * 100)[:-9])
    with pytest.raises(RestoreFailed, match="cannot be read"):
        read_summary(path)
    path.unlink()
    with pytest.raises(RestoreFailed, match="cannot be read"):
        read_summary(path)


def test_a_database_that_is_not_empty_is_left_alone(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path
):
    back_up(backing.mongo_uri, database_prefix, "certification", path)

    with pytest.raises(RestoreFailed, match="not empty"):
        restore(backing.mongo_uri, database_prefix, "certification", path)
    with pytest.raises(RestoreFailed, match="backup of certification"):
        restore(backing.mongo_uri, database_prefix, "membership", path)


def test_without_a_number_in_the_backup_somebody_must_say_where_to_go_on(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path
):
    filled["sequences"].delete_many({})
    with pytest.raises(RestoreFailed, match="--numbers-above"):
        go_on_beyond(backing.mongo_uri, database_prefix, "certification")
    back_up(backing.mongo_uri, database_prefix, "certification", path)

    with pytest.raises(RestoreFailed, match="--numbers-above"):
        restore(backing.mongo_uri, database_prefix, "certification", path, replace=True)
    restore(backing.mongo_uri, database_prefix, "certification", path, replace=True, above=10_042)

    assert filled["sequences"].find_one() == {"_id": "certificates", "last": 10_042}


def test_notes_of_restores_outlive_the_next_restore(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path
):
    back_up(backing.mongo_uri, database_prefix, "certification", path)

    for _ in range(2):
        restore(backing.mongo_uri, database_prefix, "certification", path, replace=True)

    assert [note["finished"] for note in filled["restores"].find()] == [True, True]


def test_a_restore_that_dies_leaves_its_mark_until_it_is_repeated(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    back_up(backing.mongo_uri, database_prefix, "certification", path)
    repeat = functools.partial(restore, backing.mongo_uri, database_prefix, "certification", path, replace=True)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(archive, "_make_room", die)
        with pytest.raises(KeyboardInterrupt):
            repeat()
    before_anything_went = filled["restores"].count_documents(HALF_RESTORED)
    with monkeypatch.context() as broken:
        broken.setattr(archive, "_go_on_beyond", die)
        with pytest.raises(KeyboardInterrupt):
            repeat()
    half_way = filled["restores"].count_documents(HALF_RESTORED)
    with pytest.raises(BackupFailed, match="part of a backup"):
        back_up(backing.mongo_uri, database_prefix, "certification", path.with_suffix(".half"))
    repeat()

    assert (before_anything_went, half_way) == (1, 2)
    assert filled["restores"].count_documents(HALF_RESTORED) == 0
    assert sorted(note["finished"] for note in filled["restores"].find()) == [False, False, True]


def test_a_backup_of_nothing_or_from_nowhere_leaves_no_file(backing: Any, database_prefix: str, path: pathlib.Path):
    with pytest.raises(BackupFailed, match="no database"):
        back_up(backing.mongo_uri, database_prefix, "certification", path)

    assert list(path.parent.iterdir()) == []


def test_a_service_that_runs_is_not_overwritten(
    backing: Any, amqp_uri: str, database_prefix: str, filled: Any, path: pathlib.Path
):
    arguments = ["--service", "certification", "--mongo-uri", backing.mongo_uri, "--database-prefix", database_prefix]
    saved = CliRunner().invoke(app, ["backup", "--out", str(path), *arguments])
    restoring = ["restore", str(path), "--replace", "--amqp-uri", amqp_uri, *arguments]
    filled["cases"].delete_many({})
    with open_connection(amqp_uri) as connection:
        channel = connection.channel()
        channel.queue_declare("rpc-certification", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_consume("rpc-certification", lambda *_: None)

        refused = CliRunner().invoke(app, restoring)
    dry = CliRunner().invoke(app, [*restoring, "--dry-run"])
    count_before = filled["cases"].count_documents({})
    restored = CliRunner().invoke(app, restoring)

    assert saved.exit_code == 0, saved.output
    assert refused.exit_code == 1 and "is running" in refused.output
    assert dry.exit_code == 0 and count_before == 0
    assert restored.exit_code == 0, restored.output
    assert filled["cases"].count_documents({}) == 1_200


def test_versions_go_on_above_all_that_others_may_have_seen(
    backing: Any, database_prefix: str, filled: Any, path: pathlib.Path
):
    filled["things"].insert_many([{"_id": "a", "version": 3}, {"_id": "b", "version": "no number"}])
    back_up(backing.mongo_uri, database_prefix, "certification", path)

    restore(backing.mongo_uri, database_prefix, "certification", path, replace=True)
    once = {thing["_id"]: thing["version"] for thing in filled["things"].find()}
    number = go_on_beyond(backing.mongo_uri, database_prefix, "certification", skip=5, above=7)
    twice = {thing["_id"]: thing["version"] for thing in filled["things"].find()}

    assert once == {"a": 1_000_003, "b": "no number"}
    assert twice == {"a": 2_000_003, "b": "no number"}
    assert number == 20_012


def test_a_restore_needs_a_file_or_the_word_that_none_is_needed():
    neither = CliRunner().invoke(app, ["restore", "--service", "certification"])
    both = CliRunner().invoke(app, ["restore", "x.backup", "--put-back-otherwise", "--service", "certification"])

    assert neither.exit_code == both.exit_code == 2
