"""A MongoDB database in memory, as far as the chassis and the stores use one.

It stands where pymongo's `Database` stands, so that the real unit of work and the real committer run on it. What it
does not know raises, so that nobody believes that it was tried. The suite in `conformance.py` runs on this one and on
MongoDB itself: what a test of the model relies on is there.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import bson
from pymongo import DeleteOne, ReplaceOne, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError
from simulation.filters import matches, plain_parts, value_at

from touchstone_contracts.topology import Index

AWARE: bson.CodecOptions = bson.CodecOptions(tz_aware=True)
DUPLICATE_KEY = 11000
IGNORED = {"session", "hint", "comment", "let", "ordered"}
"""Arguments that change nothing here: there is one session at a time, and no plan to choose."""


class MemoryDatabase:
    """Collections by name; unique indexes as the topology states them.

    `at_commit(stage)` is called with "begin" before a transaction reads anything, "commit" when all is written and
    nothing is kept yet, and "committed" when it is. What it raises at the first two takes the transaction back.
    """

    def __init__(self, indexes: Iterable[Index] = ()) -> None:
        self.indexes = [index for index in indexes if index.unique]
        self.at_commit: Callable[[str], None] = lambda _stage: None
        self.client = SimpleNamespace(start_session=lambda: contextlib.nullcontext(_Session(self)))
        self._collections: dict[str, MemoryCollection] = {}

    def __getitem__(self, name: str) -> "MemoryCollection":
        if name not in self._collections:
            unique = [index for index in self.indexes if index.collection == name]
            self._collections[name] = MemoryCollection(name, unique)
        return self._collections[name]

    def snapshot(self) -> dict[str, dict[Any, bytes]]:
        """What all collections hold; `restore` brings it back."""
        return {name: dict(collection.kept) for name, collection in self._collections.items()}

    def restore(self, snapshot: Mapping[str, Mapping[Any, bytes]]) -> None:
        for name, collection in self._collections.items():
            collection.kept = dict(snapshot.get(name, {}))


class _Session:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def with_transaction(self, callback: Callable[[Any], Any], **_: Any) -> Any:
        """All that the callback writes, or nothing of it."""
        self._database.at_commit("begin")
        before = self._database.snapshot()
        try:
            result = callback(self)
            self._database.at_commit("commit")
        except BaseException:
            self._database.restore(before)
            raise
        self._database.at_commit("committed")
        return result


class MemoryCollection:
    """Documents by `_id`, each as BSON: what is read is a copy, with the precision that the database has."""

    def __init__(self, name: str, unique: Sequence[Index]) -> None:
        self.name, self.kept = name, dict[Any, bytes]()
        self._unique = unique

    def with_options(self, **_: Any) -> "MemoryCollection":
        return self

    def find_one(self, filter: Mapping[str, Any], projection: Any = None, **options: Any) -> dict | None:
        return next(iter(self.find(filter, projection, limit=1, **options)), None)

    def find(
        self,
        filter: Mapping[str, Any] | None = None,
        projection: Any = None,
        *,
        sort: Any = None,
        limit: int = 0,
        **o: Any,
    ) -> list[dict]:
        _refuse_unknown(o)
        found = list(self._matching(filter or {}))
        for field, direction in reversed(sort or []):
            found.sort(key=lambda document: value_at(document, field), reverse=direction < 0)
        return [_projected(document, projection) for document in found[: limit or None]]

    def count_documents(self, filter: Mapping[str, Any], limit: int = 0, **o: Any) -> int:
        return len(self.find(filter, limit=limit, **o))

    def insert_one(self, document: dict, **o: Any) -> None:
        _refuse_unknown(o)
        if document["_id"] in self.kept:
            raise DuplicateKeyError("duplicate", DUPLICATE_KEY, {"code": DUPLICATE_KEY, "keyPattern": {"_id": 1}})
        self._put(document)

    def insert_many(self, documents: Sequence[dict], **o: Any) -> None:
        for index, document in enumerate(documents):
            try:
                self.insert_one(document, **o)
            except DuplicateKeyError as error:
                raise BulkWriteError({"writeErrors": [dict(error.details or {}) | {"index": index}]}) from None

    def replace_one(self, filter: Mapping[str, Any], document: dict, *, upsert: bool = False, **o: Any) -> Any:
        _refuse_unknown(o)
        found = next(self._matching(filter), None)
        if found is not None or upsert:
            self._put({"_id": (found or filter)["_id"], **document})
        return SimpleNamespace(matched_count=int(found is not None))

    def update_one(
        self, filter: Mapping[str, Any], update: Mapping[str, Any], *, upsert: bool = False, **o: Any
    ) -> Any:
        found = self.find_one_and_update(filter, update, upsert=upsert, **o)
        return SimpleNamespace(matched_count=int(found is not None))

    def update_many(self, filter: Mapping[str, Any], update: Mapping[str, Any], **o: Any) -> Any:
        found = list(self._matching(filter))
        for document in found:
            self.update_one({"_id": document["_id"]}, update, **o)
        return SimpleNamespace(matched_count=len(found))

    def find_one_and_update(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any],
        *,
        upsert: bool = False,
        sort: Any = None,
        return_document: bool = ReturnDocument.BEFORE,
        **o: Any,
    ) -> dict | None:
        found = next(iter(self.find(filter, sort=sort, limit=1, **o)), None)
        if found is None and not upsert:
            return None
        document = _updated(found if found is not None else plain_parts(filter), update, new=found is None)
        self._put(document)
        return document if return_document is ReturnDocument.AFTER else found

    def delete_one(self, filter: Mapping[str, Any], **o: Any) -> Any:
        _refuse_unknown(o)
        found = next(self._matching(filter), None)
        if found is not None:
            del self.kept[found["_id"]]
        return SimpleNamespace(deleted_count=int(found is not None))

    def delete_many(self, filter: Mapping[str, Any], **o: Any) -> Any:
        found = list(self._matching(filter))
        for document in found:
            self.delete_one({"_id": document["_id"]}, **o)
        return SimpleNamespace(deleted_count=len(found))

    def bulk_write(self, operations: Sequence[DeleteOne | ReplaceOne], **o: Any) -> Any:
        matched = 0
        for index, operation in enumerate(operations):
            try:
                matched += self._carry_out(operation, o)
            except DuplicateKeyError as error:
                raise BulkWriteError({"writeErrors": [dict(error.details or {}) | {"index": index}]}) from None
        return SimpleNamespace(matched_count=matched)

    def _carry_out(self, operation: DeleteOne | ReplaceOne, options: Mapping[str, Any]) -> int:
        """How many documents a replacement found."""
        if isinstance(operation, DeleteOne):
            self.delete_one(operation._filter, **options)
            return 0
        if isinstance(operation, ReplaceOne):
            replaced = self.replace_one(operation._filter, operation._doc, upsert=bool(operation._upsert), **options)
            return int(replaced.matched_count)
        raise NotImplementedError(f"the database in memory knows no {type(operation).__name__}")

    def _matching(self, filter: Mapping[str, Any]) -> Iterator[dict]:
        if isinstance(filter.get("_id"), str):  # most reads are by id
            stored = self.kept.get(filter["_id"])
            documents = [stored] if stored is not None else []
        else:
            documents = list(self.kept.values())
        for stored in documents:
            document = bson.decode(stored, AWARE)
            if matches(document, filter):
                yield document

    def _put(self, document: dict) -> None:
        for index in self._unique:
            self._guard(index, document)
        self.kept[document["_id"]] = bson.encode(document)

    def _guard(self, index: Index, document: dict) -> None:
        if not matches(document, index.partial or {}):
            return
        same = {field: value_at(document, field) for field, _ in index.keys} | dict(index.partial or {})
        if any(other["_id"] != document["_id"] for other in self._matching(same)):
            pattern = dict(index.keys)
            raise DuplicateKeyError("duplicate", DUPLICATE_KEY, {"code": DUPLICATE_KEY, "keyPattern": pattern})


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    if unknown := set(options) - IGNORED:
        raise NotImplementedError(f"the database in memory does not know {', '.join(sorted(unknown))}")


def _updated(document: dict, update: Mapping[str, Any], *, new: bool) -> dict:
    document = dict(document)
    for operator, values in update.items():
        for field, value in values.items():
            if "." in field:
                raise NotImplementedError(f"the database in memory updates no nested {field}")
            if operator == "$set" or (operator == "$setOnInsert" and new):
                document[field] = value
            elif operator == "$inc":
                document[field] = document.get(field, 0) + value
            elif operator == "$max":
                document[field] = max(document.get(field, value), value)
            elif operator != "$setOnInsert":
                raise NotImplementedError(f"the database in memory knows no {operator}")
    return document


def _projected(document: dict, projection: Any) -> dict:
    if not projection:
        return document
    names = set(projection) if not isinstance(projection, Mapping) else {n for n, shown in projection.items() if shown}
    return {name: value for name, value in document.items() if name in names | {"_id"}}
