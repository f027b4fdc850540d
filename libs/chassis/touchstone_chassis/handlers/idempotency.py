"""Knows a command again that the same caller asks for once more, and keeps what it was answered."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from pymongo.database import Database

from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import FieldError, IdempotencyConflict, InProgress, InvalidRequest

KEY_LENGTH_MAX = 200
_OTHER_BODY = "This idempotency key was used before with another body."
_UNTOLD = (
    "This was used before by a caller of this name, when no more was noted: whether by this one, and with this content,"
    " cannot be told. See whether it was carried out, and ask under another key if it was not."
)


def checked_key(key: Any) -> str:
    """The key, if it is a string of 1 to 200 characters. Raises InvalidRequest."""
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH_MAX:
        code = "required" if key is None else "invalid"
        message = f"Every command takes an idempotency_key: a string of 1 to {KEY_LENGTH_MAX} characters."
        raise InvalidRequest("The request is not valid.", [FieldError("idempotency_key", code, message)])
    return key


def digest(content: Any) -> str:
    """The same for the same content, in whatever order its keys are."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclasses.dataclass(frozen=True)
class Asked:
    """What one caller asks for under one key. `id` is where it is noted, `former_id` where the release before looks,
    to which a caller is a subject alone."""

    id: str
    former_id: str
    caller: Caller
    body_hash: str
    formerly_known: bool = False
    """Whether what the release before noted of this subject was this caller's."""

    @property
    def noted(self) -> dict[str, Any]:
        return {"caller": self.caller.identity, "body_hash": self.body_hash}

    def first_time(self, found: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
        """Of the documents under both ids, that of the first time; None when there was none.

        Raises IdempotencyConflict when the body was another one, or nobody can tell.
        """
        document = found.get(self.id)
        if document is None and "caller" not in (former := found.get(self.former_id, self.noted)):
            if not self.formerly_known:
                raise IdempotencyConflict(_UNTOLD)
            document = former
        if document is not None and document.get("body_hash", self.body_hash) != self.body_hash:
            raise IdempotencyConflict(_OTHER_BODY)
        return document


class Answers:
    """Stored answers, scoped to caller and method, and what is under way in this process."""

    def __init__(self, database: Database, *, one_issuer: bool):
        """`one_issuer`: tokens of no other issuer are taken, so that a subject is one caller's."""
        self._answers, self._one_issuer = database["idempotency"], one_issuer
        self._running: set[str] = set()

    def asked(self, caller: Caller, method: str, key: str, arguments: Mapping[str, Any]) -> Asked:
        return Asked(
            digest([caller.identity, method, key]),
            f"{caller.subject}|{method}|{key}",
            caller,
            digest(arguments),
            # Callers act for their own party only: whoever was answered had a token of the party that is named.
            formerly_known=self._one_issuer and (caller.party is None or _names(arguments, caller.party)),
        )

    def find(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {document["_id"]: document for document in self._answers.find({"_id": {"$in": list(ids)}})}

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


def _names(value: Any, party: str) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value == party or any(_names(child, party) for child in children)
