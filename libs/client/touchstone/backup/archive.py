"""Writes one service's database into a file as of one moment, and puts such a file back into an empty database.

The file is gzip over BSON: a header, one document `{"c": collection, "d": document}` for each, and a trailer with the
counts and the SHA-256 of all that came before it. Indexes are not in it: they come from the service's topology.
"""

import contextlib
import dataclasses
import datetime
import gzip
import hashlib
import itertools
import operator
import os
import pathlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

import bson
import pymongo
import pymongo.errors
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from touchstone.rpc.uris import redacted
from touchstone_contracts.bookkeeping import HALF_RESTORED, LEASES, RESTORES, VERSIONS_SKIPPED

FORMAT, FORMAT_VERSION = "touchstone-backup", 1
BATCH = 500
LEFT_OUT = {LEASES, RESTORES}
"""What is only true while processes run, and the notes of earlier restores."""
COUNTERS = {"certification": "certificates"}
"""Counters that give numbers to the outside, by service: what was given after the backup must not be given again."""
_RAW: CodecOptions = CodecOptions(document_class=RawBSONDocument)
_SNAPSHOT_TOO_OLD = 239


class BackupFailed(Exception):
    """The database could not be read as of one moment, or the file not be written."""


class RestoreFailed(Exception):
    """The file is not whole or another service's, or the database does not take it: then nothing was changed.

    When the database fails half-way, the message says so: the restore is then repeated with `replace`.
    """


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a backup holds. `at`: when it was begun, on the database's clock."""

    service: str
    database: str
    at: datetime.datetime
    counts: Mapping[str, int]
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "at": self.at.isoformat(), "documents": sum(self.counts.values())}


def back_up(mongo_uri: str, database_prefix: str, service: str, path: pathlib.Path) -> Summary:
    """Write the database of `service` to `path`, readable by its owner alone; services may go on meanwhile.

    The file appears whole or not at all. Raises BackupFailed.
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        with _client(mongo_uri) as client, _private_file(partial) as file:
            summary = _write(client[f"{database_prefix}_{service}"], service, file)
        partial.replace(path)
    except pymongo.errors.PyMongoError as error:
        raise BackupFailed(_explained(error, mongo_uri)) from error
    except OSError as error:
        raise BackupFailed(f"{path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return summary


def _write(database: Database, service: str, file: BinaryIO) -> Summary:
    names = sorted(set(database.list_collection_names(filter={"type": "collection"})) - LEFT_OUT)
    if not names:
        raise BackupFailed(f"There is no database {database.name}, or nothing in it.")
    if database[RESTORES].find_one(HALF_RESTORED):
        raise BackupFailed(f"{database.name} holds a part of a backup: a restore did not come to its end.")
    counts: Counter[str] = Counter()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=5) as stream:
        hashing = hashlib.sha256()

        def add(document: Mapping[str, Any]) -> None:
            encoded = bson.encode(document)
            hashing.update(encoded)
            stream.write(encoded)

        with database.client.start_session(snapshot=True) as session:
            at = database.client.admin.command("hello")["localTime"].replace(tzinfo=datetime.UTC)
            # The first read fixes the moment for all that follow.
            database[names[0]].find_one({}, {"_id": 1}, session=session)
            header = {"format": FORMAT, "version": FORMAT_VERSION, "service": service, "database": database.name}
            add(header | {"at": at, "collections": names})
            for name in names:
                for document in database[name].with_options(codec_options=_RAW).find({}, session=session):
                    add({"c": name, "d": document})
                    counts[name] += 1
        digest = hashing.hexdigest()
        add({"end": True, "counts": dict(counts), "sha256": digest})
    return Summary(service, database.name, at, dict(counts), digest)


def read_summary(path: pathlib.Path) -> Summary:
    """What the file holds, after reading all of it. Raises RestoreFailed when it is not whole."""
    try:
        return _read_summary(path)
    except (KeyError, TypeError, AttributeError) as error:
        raise RestoreFailed(f"{path} is no backup of Touchstone's: a part of it has another form.") from error


def _read_summary(path: pathlib.Path) -> Summary:
    header: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    hashing, digest = hashlib.sha256(), ""
    for raw in _documents(path):
        if digest:
            raise RestoreFailed(f"{path} goes on behind its end.")
        if "end" in raw:
            digest = hashing.hexdigest()
            if raw["sha256"] != digest or dict(raw["counts"]) != dict(counts):
                raise RestoreFailed(f"{path} is damaged: hash or counts differ from what was written.")
            continue
        hashing.update(raw.raw)
        if not header:
            header = _checked_header(path, raw)
        else:
            counts[raw["c"]] += 1
    if not digest:
        raise RestoreFailed(f"{path} is cut off: it has no end.")
    at = header["at"].replace(tzinfo=datetime.UTC)
    return Summary(header["service"], header["database"], at, dict(counts), digest)


def restore(
    mongo_uri: str,
    database_prefix: str,
    service: str,
    path: pathlib.Path,
    *,
    replace: bool = False,
    skip: int = 10_000,
    above: int | None = None,
) -> Summary:
    """Put a backup back. Numbers then go on `skip` higher than in it and above `above`, and versions a million higher.

    The service must be stopped. With `replace` what is in the database goes first; without it, a database that is not
    empty is refused. A restore that died is repeated with `replace`. Raises RestoreFailed.
    """
    summary = read_summary(path)
    if summary.service != service:
        raise RestoreFailed(f"{path} is a backup of {summary.service}, not of {service}.")
    counter = COUNTERS.get(service)
    if counter and above is None and not summary.counts.get("sequences"):
        raise RestoreFailed(_no_number_yet(service))
    try:
        with _client(mongo_uri) as client:
            database = client[f"{database_prefix}_{service}"]
            _refuse_to_overwrite(database, replace=replace)
            noted = _note_begin(database, sha256=summary.sha256, backup_of=summary.at)
            _make_room(database)
            for name, batch in _batches(_documents(path)):
                database[name].with_options(codec_options=_RAW).insert_many(batch)
            numbers = _go_on_beyond(database, counter, skip, above)
            _note_end(database, noted, numbers)
    except pymongo.errors.PyMongoError as error:
        raise RestoreFailed(f"{_explained(error, mongo_uri)}; repeat it with --replace") from error
    return summary


def go_on_beyond(
    mongo_uri: str, database_prefix: str, service: str, *, skip: int = 10_000, above: int | None = None
) -> int | None:
    """What `restore` does last, for a database that was put back by other means, before the service is started.

    Gives the number above which certificates go on, where there are any. May be repeated; it skips again. Raises
    RestoreFailed.
    """
    counter = COUNTERS.get(service)
    try:
        with _client(mongo_uri) as client:
            database = client[f"{database_prefix}_{service}"]
            if counter and above is None and database["sequences"].find_one({"_id": counter}) is None:
                raise RestoreFailed(_no_number_yet(service))
            noted = _note_begin(database)
            numbers = _go_on_beyond(database, counter, skip, above)
            _note_end(database, noted, numbers)
    except pymongo.errors.PyMongoError as error:
        raise RestoreFailed(_explained(error, mongo_uri)) from error
    return numbers


def _no_number_yet(service: str) -> str:
    return (
        f"At the time of the backup {service} had given no number: say above which one it is to go on"
        " (--numbers-above), 0 if none was given afterwards either."
    )


def _go_on_beyond(database: Database, counter: str | None, skip: int, above: int | None) -> int | None:
    """Let nothing be given again that others may have seen: versions of aggregates, and numbers."""
    for name in database.list_collection_names():
        database[name].update_many({"version": {"$type": "number"}}, {"$inc": {"version": VERSIONS_SKIPPED}})
    return _raise_counter(database, counter, skip, above) if counter else None


def _note_begin(database: Database, **more: Any) -> Any:
    """From now until the end is noted, no service starts on this database."""
    noted = {"at": datetime.datetime.now(datetime.UTC), **more, "finished": False}
    return database[RESTORES].insert_one(noted).inserted_id


def _note_end(database: Database, noted: Any, numbers: int | None) -> None:
    """Earlier restores that died are made good by this one; it is noted last: until then the database is half done."""
    others = {**HALF_RESTORED, "_id": {"$ne": noted}}
    database[RESTORES].update_many(others, {"$set": {"superseded_by": noted}})
    database[RESTORES].update_one({"_id": noted}, {"$set": {"finished": True, "numbers_above": numbers}})


def _refuse_to_overwrite(database: Database, *, replace: bool) -> None:
    names = set(database.list_collection_names()) - {RESTORES}
    filled = [name for name in names if database[name].find_one({}, {"_id": 1})]
    if filled and not replace:
        listed = ", ".join(sorted(filled)[:5])
        raise RestoreFailed(f"{database.name} is not empty ({listed}); --replace removes what is there.")


def _make_room(database: Database) -> None:
    """All but the notes of restores goes."""
    for name in database.list_collection_names(filter={"type": "collection"}):
        if name != RESTORES:
            database.drop_collection(name)


def _raise_counter(database: Database, counter: str, skip: int, above: int | None) -> int:
    """The number above which the counter now goes on."""
    raised = [{"$set": {"last": {"$max": [{"$add": ["$last", skip]}, above]}}}]
    found = database["sequences"].find_one_and_update(
        {"_id": counter}, raised, upsert=bool(above), return_document=pymongo.ReturnDocument.AFTER
    )
    return int(found["last"]) if found else 0


def _batches(documents: Iterable[RawBSONDocument]) -> Iterator[tuple[str, list[Any]]]:
    """The documents of the file by collection, a batch at a time; header and trailer left out."""
    kept = (raw for raw in documents if "c" in raw)
    for name, of_one in itertools.groupby(kept, key=operator.itemgetter("c")):
        while batch := [raw["d"] for raw in itertools.islice(of_one, BATCH)]:
            yield name, batch


def _documents(path: pathlib.Path) -> Iterator[RawBSONDocument]:
    try:
        with gzip.open(path, "rb") as stream:
            yield from bson.decode_file_iter(cast(BinaryIO, stream), _RAW)
    except (OSError, EOFError, zlib.error, bson.errors.BSONError) as error:
        raise RestoreFailed(f"{path} cannot be read as a backup: {error}") from error


def _checked_header(path: pathlib.Path, raw: RawBSONDocument) -> dict[str, Any]:
    header = bson.decode(raw.raw)
    if header.get("format") != FORMAT:
        raise RestoreFailed(f"{path} is no backup of Touchstone's.")
    if header.get("version") != FORMAT_VERSION:
        raise RestoreFailed(f"{path} has version {header.get('version')}; this release reads {FORMAT_VERSION}.")
    return header


@contextlib.contextmanager
def _private_file(path: pathlib.Path) -> Iterator[BinaryIO]:
    """A new file that its owner alone can read: backups hold addresses. On disk when the block ends."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _client(mongo_uri: str) -> pymongo.MongoClient[Any]:
    try:
        return pymongo.MongoClient(
            mongo_uri, serverSelectionTimeoutMS=10_000, appname="touchstone backup", tz_aware=True, w="majority"
        )
    except ValueError as error:  # a port that is none, say
        raise pymongo.errors.InvalidURI(str(error)) from error


def _explained(error: pymongo.errors.PyMongoError, mongo_uri: str) -> str:
    if getattr(error, "code", None) == _SNAPSHOT_TOO_OLD:
        return (
            "Reading took longer than the database keeps a snapshot (5 minutes unless told otherwise): raise its"
            " parameter minSnapshotHistoryWindowInSeconds, or copy the file system instead."
        )
    return f"{redacted(mongo_uri)}: {error}"
