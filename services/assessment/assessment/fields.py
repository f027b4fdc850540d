"""Field types for what comes from outside: strict about types, bounded in size, every fault with a code of its own.

Each says in `quick_deserialize`, next to its `_deserialize`, how good input is loaded fast
(see `touchstone_contracts.codec.fields`); tests hold the two equal.
"""

import datetime
import re
from typing import Any

from marshmallow import ValidationError, fields

from touchstone_contracts.codec.fields import Inner, same_of_type
from touchstone_contracts.codec.source import Bind, NotSure, Same, Take

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
ID_PATTERN = r"[a-z0-9][a-z0-9-]{1,63}\Z"


def fault(code: str, message: str) -> ValidationError:
    """A marshmallow error that carries a code of ours."""
    return ValidationError({"code": code, "message": message})


class Text(fields.String):
    """A text of at most `longest` characters, without control characters; blank only where `blank` says so."""

    def __init__(self, longest: int, *, blank: bool = False, **options: Any):
        super().__init__(**options)
        self._longest = longest
        self._blank = blank

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a text.")
        if len(value) > self._longest:
            raise fault("too_long", f"Must be no longer than {self._longest} characters.")
        if _UNPRINTABLE.search(value):
            raise fault("invalid_text", "Holds control characters, or characters that are no valid Unicode.")
        if not self._blank and not value.strip():
            raise fault("blank", "Must not be blank.")
        return value

    def quick_deserialize(self, inner: Inner) -> Same:
        return Same(self._holds)

    def _holds(self, value: str, bind: Bind) -> str:
        length = f"type({value}) is str and len({value}) <= {bind(self._longest)}"
        not_blank = "" if self._blank else f" and {value} and not {value}.isspace()"
        # What is printable holds nothing of _UNPRINTABLE, and is sooner asked; a line break needs the longer way.
        return f"{length}{not_blank} and ({value}.isprintable() or not {bind(_UNPRINTABLE.search)}({value}))"


class Matching(Text):
    """A short text of a fixed form."""

    def __init__(self, pattern: str, *, code: str, form: str, longest: int = 64, **options: Any):
        super().__init__(longest, **options)
        self._pattern = re.compile(pattern)
        self._code = code
        self._form = form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = super()._deserialize(value, attr, data, **options)
        if not self._pattern.match(text):
            raise fault(self._code, f"Must be {self._form}.")
        return text

    def quick_deserialize(self, inner: Inner) -> Same:
        return Same(self._holds)

    def _holds(self, value: str, bind: Bind) -> str:
        return f"{super()._holds(value, bind)} and {bind(self._pattern.match)}({value})"


class Day(fields.Date):
    """A calendar date, written YYYY-MM-DD and in no other way."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> datetime.date:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a date, as a text.")
        try:
            if _DATE.fullmatch(value):
                return datetime.date.fromisoformat(value)
        except ValueError:
            pass
        raise fault("invalid_date", "Must be a date of the calendar, written YYYY-MM-DD.")

    def quick_deserialize(self, inner: Inner) -> Take:
        is_written_so, read = _DATE.fullmatch, datetime.date.fromisoformat

        def take(value: Any) -> datetime.date:
            if type(value) is str and is_written_so(value):
                return read(value)
            raise NotSure

        return take


class Truth(fields.Boolean):
    """true or false; nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> bool:
        if not isinstance(value, bool):
            raise fault("wrong_type", "Must be true or false.")
        return value

    def quick_deserialize(self, inner: Inner) -> Same:
        return same_of_type(bool)


class Bounded(fields.List):
    """A list of at most `most` items. What cannot be read leaves its place empty: the others keep their index."""

    def __init__(self, inner: fields.Field, *, most: int, least: int = 0, **options: Any):
        super().__init__(inner, **options)
        self._most = most
        self._least = least
        self._nothing: Any = {} if isinstance(inner, fields.Nested) else None

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[Any]:
        if not isinstance(value, list):
            raise fault("wrong_type", "Must be a list.")
        if len(value) > self._most:
            raise fault("too_many", f"Must hold no more than {self._most} items.")
        if len(value) < self._least:
            raise fault("too_few", f"Must hold at least {self._least}.")
        items, errors = [], {}
        for index, item in enumerate(value):
            try:
                items.append(self.inner.deserialize(item, **options))
            except ValidationError as error:
                items.append(error.valid_data or self._nothing)
                errors[index] = error.messages
        if errors:
            raise ValidationError(errors, valid_data=items)
        return items

    def quick_deserialize(self, inner: Inner) -> Take:
        take_item, least, most = inner(self.inner), self._least, self._most

        def take(value: Any) -> list[Any]:
            if type(value) is list and least <= len(value) <= most:
                return [take_item(item) for item in value]
            raise NotSure

        return take


def identifier(**options: Any) -> Matching:
    """An id within this system: lower-case letters, digits and hyphens."""
    form = "2 to 64 lower-case letters, digits or hyphens"
    return Matching(ID_PATTERN, code="invalid_id", form=form, **options)


def country(*, or_everywhere: bool = False, **options: Any) -> Matching:
    """An ISO 3166-1 alpha-2 code, or `*` where all countries may be meant."""
    pattern = r"([A-Z]{2}|\*)\Z" if or_everywhere else r"[A-Z]{2}\Z"
    form = "an ISO 3166-1 alpha-2 code" + (", or * for all" if or_everywhere else "")
    return Matching(pattern, code="invalid_country", form=form, **options)
