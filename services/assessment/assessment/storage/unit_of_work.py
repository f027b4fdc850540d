"""What the repositories need of a unit of work."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Question = tuple[str, Mapping[str, Any], Mapping[str, int] | None, int]
"""Collection, filter, projection and limit of what `find` is going to be asked; the limit of `find_one` is 1."""


class Unit(Protocol):
    """Reads documents, and keeps changes with their events until the handler is done."""

    def read_ahead(self, *questions: Question) -> None: ...

    def find_one(self, collection: str, filter: Mapping[str, Any], projection: Any = None) -> dict | None: ...

    def find(
        self,
        collection: str,
        filter: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict]: ...

    def save(self, collection: str, document: dict, events: Iterable[Any] = ()) -> None: ...

    def upsert_read_model(self, collection: str, document: dict) -> None: ...

    def schedule(
        self, kind: str, key: str, due_at: datetime.datetime, payload: Mapping[str, Any] | None = None
    ) -> None: ...
