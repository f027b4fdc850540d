"""The versions of one event: which may come in, which go out, and how one is made from another.

A version that replaces an older one says how it is made from it (`upcast`). As long as a release may still run that
knows the older one only, it also says how the older one is made from it (`downcast`), and both are published under one
event id: a consumer that gets both handles the first that comes. Hence `downcast` followed by `upcast` must give back
the same event; a test checks that (`libs/contracts/tests/unit/test_versions.py`).
"""

from typing import Any


def versions(event_class: Any) -> tuple[Any, ...]:
    """The class itself and the older ones that it can be made from, newest first."""
    found = [event_class]
    while older := getattr(found[-1], "replaces", None):
        found.append(older)
    return tuple(found)


def upcast(event: Any, to: Any) -> Any:
    """The event as the version `to`, which is its own or a later one. Raises whatever an upcaster raises."""
    newer = versions(to)
    for version in reversed(newer[: newer.index(type(event))]):
        event = version.upcast(event)
    return event


def older_copies(event: Any) -> list[Any]:
    """The event in each older version that is still published, newest first."""
    copies = []
    while hasattr(event, "downcast"):
        event = event.downcast()
        copies.append(event)
    return copies
