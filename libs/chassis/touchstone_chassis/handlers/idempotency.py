"""Answers a repeated command from what was stored with its first execution."""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
from pymongo.database import Database

from touchstone_contracts.errors import FieldError, IdempotencyConflict, InProgress, InvalidRequest

KEY_LENGTH_MAX = 200


def checked_key(key: Any) -> str:
    """The key, if it is a string of 1 to 200 characters. Raises InvalidRequest."""
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH_MAX:
        code = "required" if key is None else "invalid"
        message = f"Every command takes an idempotency_key: a string of 1 to {KEY_LENGTH_MAX} characters."
        raise InvalidRequest("The request is not valid.", [FieldError("idempotency_key", code, message)])
    return key


def body_hash(arguments: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Answers:
    """Stored answers, scoped to caller and method, and what is under way in this process."""

    def __init__(self, database: Database):
        self._answers = database["idempotency"]
        self._running: set[str] = set()

    def stored(self, id: str, hash: str) -> dict[str, Any] | None:
        """The stored answer's document, or None. Raises IdempotencyConflict when the body was another one."""
        document = self._answers.find_one({"_id": id})
        if document is not None and document["body_hash"] != hash:
            raise IdempotencyConflict("This idempotency key was used before with another body.")
        return document

    @contextlib.contextmanager
    def under_way(self, id: str) -> Iterator[None]:
        """Raises InProgress while the same command runs in this process. Across replicas the commit decides."""
        if id in self._running:
            raise InProgress("The first call with this idempotency key is still under way.")
        self._running.add(id)
        try:
            yield
        finally:
            self._running.discard(id)


def answer_id(subject: str, method: str, key: str) -> str:
    return f"{subject}|{method}|{key}"
