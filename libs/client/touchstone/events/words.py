"""Says in words what happened, as the event's class has it, from an event's type and the facts that tell of it."""

from collections.abc import Mapping
from typing import Any

import touchstone_contracts.events  # noqa: F401 - registers all events
from touchstone_contracts.registry import known


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"


def words_for(type_name: str, facts: Mapping[str, Any]) -> str:
    """`certification.certificate_issued.v1` and its facts as `certificate 195 issued (full), decided by ...`.

    A type that is not known here is named as it is.
    """
    if (event_class := known(type_name)) is not None:
        words: str = event_class.words
        return words.format_map(_Facts({key: _text(value) for key, value in facts.items()}))
    return type_name.rpartition(".v")[0].rpartition(".")[2].replace("_", " ") or "an unnamed event"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(one["text"] if isinstance(one, Mapping) and "text" in one else one) for one in value)
    return str(value).replace("_", " ") if isinstance(value, str) and value.islower() else str(value)
