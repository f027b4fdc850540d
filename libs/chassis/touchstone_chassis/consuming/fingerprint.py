"""Knows a message again when it comes once more, whatever connection, queue or process it comes through."""

import hashlib

from touchstone_chassis.consuming.delivery import Delivery

_LIVES = ("touchstone-attempt", "touchstone-replays")
"""A retry and a replay begin a new life of the same message."""


def fingerprint(delivery: Delivery, queue: str) -> str:
    """The same for each delivery of one life of a message of `queue`, also after the broker dead-lettered it."""
    return _hashed(queue, _given_id(delivery), hashlib.sha256(delivery.body).hexdigest(), *_life(delivery))


def has_own_id(delivery: Delivery) -> bool:
    """Whether its sender gave it an id; otherwise another message may look just the same."""
    return bool(_given_id(delivery))


def came_before(delivery: Delivery) -> bool:
    """Whether somebody had this very message already: it was delivered, tried or dead-lettered before."""
    return delivery.redelivered or any(name in delivery.headers for name in _LIVES)


def _given_id(delivery: Delivery) -> str:
    given = delivery.attribute("message_id") or delivery.attribute("correlation_id")
    return given if isinstance(given, str) else ""


def _life(delivery: Delivery) -> list[str]:
    return [str(delivery.headers.get(name, 0)) for name in _LIVES]


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:32]
