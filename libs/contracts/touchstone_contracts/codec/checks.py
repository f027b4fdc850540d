"""Says of marshmallow's own validators what must hold of a value that they let pass."""

from collections.abc import Callable
from typing import Any

from marshmallow import validate

from touchstone_contracts.codec.source import Bind, Condition


def condition_of(validator: Callable[[Any], Any]) -> Condition | None:
    """What must hold, or None where the validator has to be called: marshmallow looks at nothing but what it raises."""
    derive = _KNOWN.get(type(validator))
    return None if derive is None else derive(validator)


def _length(validator: validate.Length) -> Condition | None:
    least, most = validator.min, validator.max
    if validator.equal is not None:
        return None
    return _between("len({})", least, most)


def _range(validator: validate.Range) -> Condition | None:
    if not (validator.min_inclusive and validator.max_inclusive):
        return None
    return _between("{}", validator.min, validator.max)


def _between(measure: str, least: Any, most: Any) -> Condition | None:
    """Bounds are written as `not <` and `not >`, as marshmallow has them: of a value that is no number, both hold."""
    if least is None and most is None:
        return None

    def condition(value: str, bind: Bind) -> str:
        measured = measure.format(value)
        bounds = [] if least is None else [f"not {measured} < {bind(least)}"]
        return " and ".join(bounds if most is None else [*bounds, f"not {measured} > {bind(most)}"])

    return condition


def _equal(validator: validate.Equal) -> Condition:
    return lambda value, bind: f"not {value} != {bind(validator.comparable)}"


def _regexp(validator: validate.Regexp) -> Condition:
    return lambda value, bind: f"{bind(validator.regex.match)}({value}) is not None"


_KNOWN: dict[type, Callable[[Any], Condition | None]] = {
    validate.Length: _length,
    validate.Range: _range,
    validate.Equal: _equal,
    validate.Regexp: _regexp,
}
