"""What the checks of a report share: how they look at it and how they speak of it."""

import enum
from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]
"""A report as far as it could be read: in the documented form, dates as dates, without what had no readable form."""

_SHOWN_MAX = 40


def choice(kind: type[enum.Enum], text: Any) -> Any:
    """The member of `kind` with this value, or None."""
    try:
        return kind(text)
    except ValueError:
        return None


def shown(text: Any) -> str:
    """A caller's text for use in a message: quoted, and cut when it is long."""
    return repr(text if len(str(text)) <= _SHOWN_MAX else f"{str(text)[:_SHOWN_MAX]}…")
