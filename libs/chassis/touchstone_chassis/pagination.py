"""Lists in pages: where one ended and the next goes on."""

import datetime
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from touchstone_contracts.errors import InvalidRequest
from touchstone_contracts.moments import read_moment


def page(
    found: Sequence[Any],
    limit: int,
    answer: Callable[[Any], dict[str, Any]],
    cursor: Callable[[Any], Any] = operator.attrgetter("id"),
) -> dict[str, Any]:
    """`{"items", "next"}` of what was found with a limit one higher than `limit`; `next` is the last one's cursor."""
    shown = found[:limit]
    return {"items": [answer(item) for item in shown], "next": cursor(shown[-1]) if len(found) > limit else None}


def cursor_of(document: Mapping[str, Any], field: str) -> str:
    """What stands for this document in a list that is ordered by a moment, `field`, and then by id."""
    return f"{document[field].isoformat()}/{document['_id']}"


def read_cursor(text: str) -> tuple[datetime.datetime, str]:
    """The moment, in UTC, and the id that a cursor stands for. Raises InvalidRequest."""
    moment, _, id = text.partition("/")
    try:
        return read_moment(moment).astimezone(datetime.UTC), id
    except ValueError:
        raise InvalidRequest("`after` is no cursor of a list.") from None


def behind(field: str, moment: datetime.datetime, id: str) -> list[dict[str, Any]]:
    """The database's alternatives (`$or`) for what comes after that document, among what is not before the moment."""
    return [{field: {"$gt": moment}}, {"_id": {"$gt": id}}]
