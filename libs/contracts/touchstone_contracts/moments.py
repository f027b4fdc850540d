"""Days and moments on the wire, each in one form: a date of the calendar, and a time with its zone (RFC 3339)."""

import datetime
import re
from typing import Any

from marshmallow import fields

from touchstone_contracts.codec.fields import Inner
from touchstone_contracts.codec.source import NotSure, Take
from touchstone_contracts.field_errors import fault

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    _DAY.pattern + r"T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def read_day(text: str) -> datetime.date:
    """Raises ValueError for what is no date of the calendar, and for the other forms that Python knows."""
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return datetime.date.fromisoformat(text)


def read_moment(text: str) -> datetime.datetime:
    """Raises ValueError for what is no time with its zone in this form, and for one that UTC does not have.

    The year 9999 ends earlier elsewhere: what lies outside UTC's years, no database could keep or compare.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    moment = datetime.datetime.fromisoformat(text)
    if not 1 < moment.year < 9999:
        try:
            moment.astimezone(datetime.UTC)
        except OverflowError as error:
            raise ValueError(text) from error
    return moment


class Day(fields.Date):
    """A calendar date, written YYYY-MM-DD and in no other way."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> datetime.date:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a date, as a text.")
        try:
            return read_day(value)
        except ValueError:
            raise fault("invalid_date", "Must be a date of the calendar, written YYYY-MM-DD.") from None

    def quick_deserialize(self, inner: Inner) -> Take:
        return _of_text(read_day)


class Moment(fields.AwareDateTime):
    """A time with its zone, written 2026-03-05T09:00:00Z or with an offset such as +01:00, and in no other way."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> datetime.datetime:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a time, as a text.")
        try:
            return read_moment(value)
        except ValueError:
            message = "Must be a time with its zone, written 2026-03-05T09:00:00Z or with an offset such as +01:00."
            raise fault("invalid_moment", message) from None

    def quick_deserialize(self, inner: Inner) -> Take:
        return _of_text(read_moment)


def _of_text(read: Take) -> Take:
    def take(value: Any) -> Any:
        if type(value) is str:
            return read(value)
        raise NotSure

    return take
