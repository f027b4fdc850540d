"""Gives marshmallow's own validators a shorter form; any other validator is called as it is."""

from collections.abc import Callable
from typing import Any

from marshmallow import validate

Check = Callable[[Any], Any]


class NotSure(Exception):
    """The quick way does not know: marshmallow has to look at it."""


def check_of(validator: Check) -> Check:
    """A function that raises where the validator would, and nothing else matters: marshmallow ignores what it returns.

    Only validators exactly of marshmallow's types, without own attributes, get a form of their own.
    """
    derive = _KNOWN.get(type(validator))
    return validator if derive is None else derive(validator)


def _length(validator: validate.Length) -> Check:
    if validator.equal is not None:
        return validator
    least, most = validator.min or 0, validator.max

    def check(value: Any) -> None:
        length = len(value)
        if length < least or (most is not None and length > most):
            raise NotSure

    return check


def _range(validator: validate.Range) -> Check:
    least, most = validator.min, validator.max
    if not (validator.min_inclusive and validator.max_inclusive):
        return validator

    def check(value: Any) -> None:
        if (least is not None and value < least) or (most is not None and value > most):
            raise NotSure

    return check


def _equal(validator: validate.Equal) -> Check:
    expected = validator.comparable

    def check(value: Any) -> None:
        if value != expected:
            raise NotSure

    return check


def _regexp(validator: validate.Regexp) -> Check:
    match = validator.regex.match

    def check(value: Any) -> None:
        if match(value) is None:
            raise NotSure

    return check


_KNOWN: dict[type, Callable[[Any], Check]] = {
    validate.Length: _length,
    validate.Range: _range,
    validate.Equal: _equal,
    validate.Regexp: _regexp,
}
