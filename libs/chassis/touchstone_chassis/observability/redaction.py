"""Masks contact addresses in whatever is shown to a person: `p•••@example.org`."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "•••"
_ADDRESS_KEYS = {"address", "email", "to"}
_WORD = re.compile(r"[^\s<>\"'(),:;\[\]{}\\]+")
"""Has no `@` in it: to look for one behind each letter of a long word takes the square of its length."""


def masked_text(text: str) -> str:
    """`text` with everything in it that looks like an e-mail address masked."""
    return _WORD.sub(_masked_word, text) if "@" in text else text


def _masked_word(found: re.Match[str]) -> str:
    local, at, domain = found[0].rpartition("@")
    return f"{local[:1]}{MASK}@{domain}" if at and local else found[0]


def masked(value: Any, key: str = "") -> Any:
    """A copy of a JSON-like `value` with every address masked, in free text and under the keys that hold addresses."""
    if isinstance(value, Mapping):
        return {name: masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, key) for inner in value]
    if not isinstance(value, str):
        return value
    if key in _ADDRESS_KEYS and "@" not in value:
        return f"{value[:1]}{MASK}"
    return masked_text(value)


def unmasked(new: Any, old: Any, key: str = "") -> Any:
    """`new`, written by somebody who saw `old` masked: what they left as it was shown is what it was."""
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {name: unmasked(inner, old.get(name), name) for name, inner in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        beside = [*old, *[None] * len(new)]
        return [unmasked(inner, beside[place], key) for place, inner in enumerate(new)]
    if isinstance(new, str) and isinstance(old, str) and MASK in new and new == masked(old, key):
        return old
    return new
