"""Notes every database command that the services send, by MongoDB's profiler, as shapes: alike but for values.

with Recorder(mongo_uri, {"certification": "prefix_certification", ...}) as recorder:
    ...                     # whatever makes the services work
recorder.shapes()           # each shape once, with a command to explain
"""

import dataclasses
import datetime
from collections.abc import Mapping
from operator import itemgetter
from types import TracebackType
from typing import Any

from bson import CodecOptions, Int64, ObjectId
from pymongo import MongoClient

PROFILE_BYTES = 256 * 1024 * 1024
APPLICATION = "touchstone"
"""As the chassis names its connections: what a test looks up itself is not of interest."""
_READS, _CHANGES = ("find", "aggregate", "count", "distinct", "findAndModify"), {"update": "q", "remove": "q"}
_NO_QUERIES = {
    *("insert", "getMore", "killCursors", "create", "createIndexes", "listIndexes", "collStats", "explain", "profile"),
    *("listCollections", "endSessions", "abortTransaction", "commitTransaction"),
}

_KEPT = {
    *("find", "filter", "sort", "projection", "limit", "skip", "singleBatch", "aggregate", "pipeline", "cursor"),
    *("findAndModify", "query", "update", "upsert", "remove", "new", "count", "distinct", "key", "hint", "collation"),
}
"""What of a command makes its plan."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """One way in which a service asks: `text` says all of it but the values; `commands` are some that were sent."""

    service: str
    collection: str
    text: str
    commands: tuple[Mapping[str, Any], ...] = dataclasses.field(compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"{self.service}.{self.collection} {self.text}"


class NotUnderstood(Exception):
    """The profiler noted something that nobody here can explain: it must not be left out in silence."""


class Recorder:
    """Profiles the databases of a mapping from service to database, inside its block."""

    def __init__(self, mongo_uri: str, databases: Mapping[str, str]) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(mongo_uri, tz_aware=True)
        options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
        self._databases = {s: self._client.get_database(name, options) for s, name in databases.items()}

    def __enter__(self) -> "Recorder":
        for database in self._databases.values():
            database.create_collection("system.profile", capped=True, size=PROFILE_BYTES)
            database.command("profile", 2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for database in self._databases.values():
            database.command("profile", 0)

    def shapes(self) -> dict[str, Shape]:
        """By name. Of many commands of one shape it keeps the one that found most, the one that found least (what is
        looked for in vain shows best how much is looked at), and the last."""
        found: dict[str, dict[str, tuple[int, Shape]]] = {}
        for service, database in self._databases.items():
            for noted in database["system.profile"].find({"appName": APPLICATION}):
                returned = noted.get("nreturned", noted.get("nMatched", noted.get("ndeleted", 0)))
                for shape in shapes_of(service, noted):
                    kept = found.setdefault(shape.name, {})
                    kept["last"] = one = (returned, shape)
                    kept["most"] = max(kept.get("most", one), one, key=itemgetter(0))
                    kept["least"] = min(kept.get("least", one), one, key=itemgetter(0))
        return {name: _together([shape for _, shape in kept.values()]) for name, kept in sorted(found.items())}

    def close(self) -> None:
        self._client.close()


def _together(alike: list[Shape]) -> Shape:
    commands = {repr(command): command for shape in alike for command in shape.commands}
    return dataclasses.replace(alike[0], commands=tuple(commands.values()))


def shapes_of(service: str, noted: Mapping[str, Any]) -> list[Shape]:
    """What the profiler noted, a shape for each collection that was asked. Raises NotUnderstood."""
    pipeline = noted.get("command", {}).get("pipeline", ())
    joined = [stage["$unionWith"] for stage in pipeline if "$unionWith" in stage]
    if not joined:
        shape = shape_of(service, noted)
        return [shape] if shape else []
    first = [stage for stage in pipeline if "$unionWith" not in stage]
    parts = {"coll": noted["ns"].partition(".")[2], "pipeline": first}, *joined
    commands = ({"aggregate": part["coll"], "pipeline": part["pipeline"], "cursor": {}} for part in parts)
    return [Shape(service, command["aggregate"], _text("aggregate", command), (command,)) for command in commands]


def shape_of(service: str, noted: Mapping[str, Any]) -> Shape | None:
    """The shape of what the profiler noted; None for what looks for nothing. Raises NotUnderstood."""
    collection = noted["ns"].partition(".")[2]
    command, kind = dict(noted.get("command", {})), noted["op"]
    if "$truncated" in command:
        raise NotUnderstood(f"{service}: a command of {collection} was cut off: {str(noted)[:500]}")
    if kind in _CHANGES:
        text = f"{kind} {_told(command[_CHANGES[kind]])}" + (" in all" if _of_many(kind, command) else "")
        return Shape(service, collection, text, (_explainable(kind, collection, command),))
    name = next((name for name in _READS if name in command), None)
    if name is not None:
        return Shape(service, collection, _text(name, command), (_bare(command),))
    if kind in ("insert", "getmore") or _NO_QUERIES & set(command):
        return None
    raise NotUnderstood(f"{service}: {str(noted)[:500]}")


def _text(name: str, command: Mapping[str, Any]) -> str:
    parts = [name]
    for field in ("filter", "query", "pipeline"):
        if field in command:
            parts.append(_told(command[field]))
    if command.get("sort"):
        parts.append("by " + ", ".join(f"{'-' if way < 0 else ''}{field}" for field, way in command["sort"].items()))
    if name == "find":
        parts.append("in part" if command.get("projection") else "whole")
    return " ".join(parts)


def _told(value: Any) -> str:
    """A filter or pipeline with kinds of values in the place of values."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_told(inner)}" for name, inner in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dict.fromkeys(map(_told, value))) + "]"
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float, Int64)):
        return "number"
    return {datetime.datetime: "moment", ObjectId: "id", bytes: "bytes"}.get(type(value), "text")


def _of_many(kind: str, command: Mapping[str, Any]) -> bool:
    return bool(command.get("multi")) if kind == "update" else command.get("limit") == 0


def _explainable(kind: str, collection: str, command: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "remove":
        return {"delete": collection, "deletes": [{"q": command["q"], "limit": command.get("limit", 0)}]}
    change = {name: command[name] for name in ("q", "u", "multi", "upsert", "arrayFilters") if name in command}
    return {"update": collection, "updates": [change]}


def _bare(command: Mapping[str, Any]) -> dict[str, Any]:
    """Without what belongs to one connection or transaction."""
    return {name: value for name, value in command.items() if name in _KEPT}
