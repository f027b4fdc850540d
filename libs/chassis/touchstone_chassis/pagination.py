"""Cursors of lists that are ordered by a moment and, within one, by id: where a page ended and the next goes on."""

import datetime
from collections.abc import Mapping
from typing import Any

from touchstone_contracts.errors import InvalidRequest


def cursor_of(document: Mapping[str, Any], field: str) -> str:
    """What stands for this document in a list that is ordered by `field`."""
    return f"{document[field].isoformat()}/{document['_id']}"


def read_cursor(text: str) -> tuple[datetime.datetime, str]:
    """The moment, in UTC, and the id that a cursor stands for. Raises InvalidRequest."""
    moment, _, id = text.partition("/")
    try:
        return datetime.datetime.fromisoformat(moment).astimezone(datetime.UTC), id
    except (ValueError, OverflowError):
        raise InvalidRequest("`after` is no cursor of a list.") from None


def behind(field: str, moment: datetime.datetime, id: str) -> list[dict[str, Any]]:
    """The database's alternatives (`$or`) for what comes after that document, among what is not before the moment."""
    return [{field: {"$gt": moment}}, {"_id": {"$gt": id}}]
