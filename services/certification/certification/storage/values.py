"""Days, and values of the published language, as documents hold them."""

import datetime
from typing import Any


def iso(day: datetime.date | None) -> str | None:
    return day.isoformat() if day else None


def day(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def dump(value: Any) -> dict[str, Any]:
    return value.schema.dump(value)


def load(kind: Any, document: dict[str, Any]) -> Any:
    return kind.schema.load(document)
