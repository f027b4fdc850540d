"""What the checks of a report share: how they read its words and how they speak of them."""

import enum
from typing import Any

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
