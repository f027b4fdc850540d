"""What the repositories need of a unit of work."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Question = tuple[str, Mapping[str, Any], Mapping[str, int] | None, int]
"""Collection, filter, projection and limit of what `find` is going to be asked; the limit of `find_one` is 1."""


class Unit(Protocol):
    """Reads documents; keeps changes, their events and jobs until the handler is done."""

    def read_ahead(self, *questions: Question) -> None: ...

    def find_one(self, collection: str, filter: Mapping[str, Any]) -> dict[str, Any] | None: ...

    def find(
        self,
        collection: str,
        filter: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict[str, Any]]: ...

    def save(self, collection: str, document: dict[str, Any], events: Iterable[Any] = ()) -> None: ...

    def schedule(
        self, kind: str, key: str, due_at: datetime.datetime, payload: Mapping[str, Any] | None = None
    ) -> None: ...

    def unschedule(self, kind: str, key: str) -> None: ...
