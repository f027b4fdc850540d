"""Published reference data in a service's database: versions under ids, which never change."""

import datetime
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from touchstone_contracts.errors import NotFound
from touchstone_contracts.reference import Edition, Publication, edition_key, effective_on

EDITION = {"reference_id": 1, "reference_version": 1, "effective_from": 1, "hash": 1}
"""The projection of what an edition is read from."""
ONLY_SEQUENCE = 1
"""The aggregate's version of whatever is published: it is written once."""


class Unit(Protocol):
    """What is needed of a unit of work."""

    def find_one(self, collection: str, filter: Mapping[str, Any]) -> dict[str, Any] | None: ...

    def find(self, collection: str, filter: Mapping[str, Any], *, projection: Any = None) -> list[dict[str, Any]]: ...

    def save(self, collection: str, document: dict[str, Any], events: Sequence[Any] = ()) -> None: ...


class Publications:
    """What was published of one kind, in a collection of its own: a few versions under a few ids."""

    kind: ClassVar[str]
    collection: ClassVar[str]

    def __init__(self, unit: Any):
        self._unit: Unit = unit

    @classmethod
    def query_editions(cls) -> tuple[str, dict[str, str], dict[str, int], int]:
        """What `editions` asks for, to have it read ahead: collection, filter, projection, and no limit."""
        return cls.collection, {"kind": cls.kind}, EDITION, 0

    def get(self, id: str, version: int) -> Publication | None:
        return self.by_key(edition_key(id, version))

    def by_key(self, key: str) -> Publication | None:
        document = self._unit.find_one(self.collection, {"_id": key})
        return _publication(document) if document else None

    def editions(self) -> list[Edition]:
        """By id and version."""
        found = self._unit.find(self.collection, {"kind": self.kind}, projection=EDITION)
        return sorted((_edition(document) for document in found), key=_place)

    def newest(self, id: str) -> int:
        """The highest version that was published under an id; 0 before the first."""
        return max((edition.version for edition in self.editions() if edition.id == id), default=0)

    def effective_on(self, day: datetime.date) -> list[Edition]:
        """One for each id that has one on that day, by id."""
        by_id = itertools.groupby(self.editions(), key=lambda edition: edition.id)
        found = (effective_on(list(editions), day) for _, editions in by_id)
        return [edition for edition in found if edition is not None]

    def asked_for(self, id: str, version: int | None, day: datetime.date) -> Publication:
        """That version, or where none is named the one that is effective on a day. Raises NotFound."""
        if version is None:
            version = {edition.id: edition.version for edition in self.effective_on(day)}.get(id)
            missing = f"No {id} is effective on {day}."
        else:
            missing = f"There is no {id} {version}."
        found = self.get(id, version) if version is not None else None
        if found is None:
            raise NotFound(missing)
        return found

    def read(self, editions: Sequence[Edition]) -> list[Publication]:
        """The same with their content, in their order."""
        wanted = {"_id": {"$in": [edition.key for edition in editions]}}
        found = {d["_id"]: _publication(d) for d in self._unit.find(self.collection, wanted)} if editions else {}
        return [found[edition.key] for edition in editions]

    def listed(self, *, after: str | None, limit: int) -> list[Publication]:
        """By id and version, from the one behind the key `after`."""
        editions = self.editions()
        begin = next((n for n, edition in enumerate(editions, 1) if edition.key == after), 0)
        return self.read(editions[begin : begin + limit])

    def add(self, publication: Publication, events: Sequence[Any]) -> None:
        self._unit.save(self.collection, self._document(publication), events)

    @classmethod
    def put(cls, database: Any, shipped: Iterable[Publication]) -> None:
        """Those that come with a release, where they are not there already. Safe to repeat."""
        for publication in shipped:
            # As the unit of work would have written it.
            document = cls._document(publication) | {"version": ONLY_SEQUENCE}
            database[cls.collection].update_one({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)

    @classmethod
    def _document(cls, publication: Publication) -> dict[str, Any]:
        """What is kept. Its `version` is the aggregate's; the publication's own is `reference_version`."""
        return {
            "_id": publication.key,
            "version": 0,
            "schema_version": 1,
            "kind": cls.kind,
            "reference_id": publication.id,
            "reference_version": publication.version,
            "effective_from": publication.effective_from.isoformat(),
            "hash": publication.hash,
            "content": publication.content,
            "published_by": publication.published_by,
            "published_at": publication.published_at,
        }


def _place(edition: Edition) -> tuple[str, int]:
    return edition.id, edition.version


def _edition(document: Mapping[str, Any]) -> Edition:
    return Edition(**_of_edition(document))


def _publication(document: Mapping[str, Any]) -> Publication:
    kept = {name: document[name] for name in ("content", "published_by", "published_at")}
    return Publication(**_of_edition(document), **kept)


def _of_edition(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": document["reference_id"],
        "version": document["reference_version"],
        "effective_from": datetime.date.fromisoformat(document["effective_from"]),
        "hash": document["hash"],
    }
