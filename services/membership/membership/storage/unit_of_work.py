"""What the repositories need of a unit of work."""

from collections.abc import Sequence
from typing import Any, Protocol


class Unit(Protocol):
    """Reads documents, and keeps changes with their events until the handler is done."""

    def find_one(self, collection: str, filter: dict[str, Any]) -> dict[str, Any] | None: ...

    def find(
        self,
        collection: str,
        filter: dict[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict[str, Any]]: ...

    def save(self, collection: str, document: dict[str, Any], events: Sequence[Any] = ()) -> None: ...
