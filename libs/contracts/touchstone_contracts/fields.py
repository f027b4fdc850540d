"""Field types for what comes from outside: strict about types, bounded in size, every fault with a code of its own.

Each says in `quick_deserialize`, next to its `_deserialize`, how good input is loaded fast
(see `touchstone_contracts.codec.fields`); tests hold the two equal. Facts out of events are read by none of these: what
a release before let through is no reason to refuse an event. Days and moments: `touchstone_contracts.moments`.
"""

import re
from typing import Any

from marshmallow import ValidationError, fields

from touchstone_contracts.codec.fields import Inner, same_of_type
from touchstone_contracts.codec.source import Bind, NotSure, Same, Take
from touchstone_contracts.countries import COUNTRIES
from touchstone_contracts.field_errors import fault
from touchstone_contracts.texts import NotKept, kept

NAME_LENGTH_MAX = 300
REASON_LENGTH_MAX = 2_000
ID_PATTERN = r"[a-z0-9][a-z0-9-]{1,63}\Z"


class Text(fields.String):
    """A text for people of at most `longest` characters, in the form of `touchstone_contracts.texts`.

    Of several `lines`, or `blank`, only where it says so.
    """

    def __init__(self, longest: int, *, lines: bool = False, blank: bool = False, **options: Any):
        super().__init__(**options)
        self._longest = longest
        self._lines = lines
        self._blank = blank

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a text.")
        try:
            # Before anything else, since what it costs to look at a text grows with its length.
            text = kept(value, lines=self._lines) if len(value) <= self._longest else value
        except NotKept as error:
            raise fault("invalid_text", str(error)) from None
        if len(text) > self._longest:
            raise fault("too_long", f"Must be no longer than {self._longest} characters.")
        if not text and not self._blank:
            raise fault("blank", "Must not be blank.")
        return text

    def quick_deserialize(self, inner: Inner) -> Same:
        return Same(self._is_ordinary, otherwise=lambda value: self._deserialize(value, None, None))

    def _is_ordinary(self, value: str, bind: Bind) -> str:
        length = f"type({value}) is str and 0 < len({value}) <= {bind(self._longest)}"
        return f"{length} and {value}.isascii() and {value}.isprintable() and {value}[0] != ' ' != {value}[-1]"


class Code(fields.String):
    """A code, or a word out of a list, taken as it is: whoever has the list says whether it is known."""

    def __init__(self, longest: int, **options: Any):
        super().__init__(**options)
        self._longest = longest

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a text.")
        if len(value) > self._longest:
            raise fault("too_long", f"Must be no longer than {self._longest} characters.")
        if not value:
            raise fault("blank", "Must not be blank.")
        self._check_form(value)
        return value

    def quick_deserialize(self, inner: Inner) -> Same:
        return Same(self._holds)

    def _holds(self, value: str, bind: Bind) -> str:
        return f"type({value}) is str and 0 < len({value}) <= {bind(self._longest)} and {self._has_form(value, bind)}"

    def _check_form(self, value: str) -> None:
        if not value.isprintable():
            raise fault("invalid_text", "Holds what cannot be printed.")

    def _has_form(self, value: str, bind: Bind) -> str:
        return f"{value}.isprintable()"


class Matching(Code):
    """A short word of a fixed form, taken as it is: it names something, and is compared."""

    def __init__(self, pattern: str, *, code: str, form: str, longest: int = 64, **options: Any):
        super().__init__(longest, **options)
        self._pattern = re.compile(pattern)
        self._code = code
        self._form = form

    def _check_form(self, value: str) -> None:
        if not self._pattern.match(value):
            raise fault(self._code, f"Must be {self._form}.")

    def _has_form(self, value: str, bind: Bind) -> str:
        return f"{bind(self._pattern.match)}({value})"


class Country(fields.String):
    """An ISO 3166-1 alpha-2 code in capitals, or `*` where all countries may be meant."""

    def __init__(self, *, or_everywhere: bool = False, **options: Any):
        super().__init__(**options)
        self._known = COUNTRIES | {"*"} if or_everywhere else COUNTRIES
        self._or_everywhere = or_everywhere

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        if not isinstance(value, str):
            raise fault("wrong_type", "Must be a text.")
        if value not in self._known:
            everywhere = ", or * for all" if self._or_everywhere else ""
            raise fault("invalid_country", f"Must be an ISO 3166-1 alpha-2 code in capitals, such as QA{everywhere}.")
        return value

    def quick_deserialize(self, inner: Inner) -> Same:
        return Same(lambda value, bind: f"type({value}) is str and {value} in {bind(self._known)}")


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
