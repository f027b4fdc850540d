"""Lists as callers see them: a page, and where the next one begins."""

from collections.abc import Callable, Sequence
from typing import Any


def page(found: Sequence[Any], limit: int, answer: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """`{"items", "next"}` of what was found with a limit one higher than `limit`; `next` is the last id, or None."""
    shown = found[:limit]
    return {"items": [answer(item) for item in shown], "next": shown[-1].id if len(found) > limit else None}
