"""What the repositories need of a unit of work."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from touchstone_chassis.api import Query


class Unit(Protocol):
    """Reads documents, and keeps changes with their events until the handler is done."""

    def read_ahead(self, *queries: Query | None) -> None: ...

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
