"""Calls the methods of Touchstone's services over the broker; the wire protocol is in this package's README."""

import datetime
import decimal
import enum
import json
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable
from touchstone.rpc.connection import ConnectionLost, RpcConnection, UnknownService
from touchstone_contracts import errors
from touchstone_contracts.errors import DeadlineExceeded, FieldError, Refusal, Unauthenticated

__all__ = [
    "BrokerRefused",
    "BrokerUnreachable",
    "Client",
    "ConnectionLost",
    "MalformedReply",
    "NoAnswer",
    "UnknownService",
    "refusal_from",
]

TIMEOUT_S = 30.0
_PAUSE_S = 0.05
_PAUSE_S_MAX = 2.0
_CLOCK_S = 1.0
"""Clocks that differ by less are not spoken of."""
_OTHER_CLOCK_S = 2.0
"""So long a call is tried again whose deadline has passed by the service's clock alone: one replica's may be wrong."""


class NoAnswer(TimeoutError):
    """No reply came in time. A command may have been carried out: ask again with the same `idempotency_key`."""

    def __init__(self, message: str, idempotency_key: str):
        super().__init__(message)
        self.idempotency_key = idempotency_key


class MalformedReply(Exception):
    """What came back is no reply as the protocol has it."""


class Client:
    """A client of all services, over one connection with one reply queue, for any number of threads.

    `token` is a compact JWS, or a callable that gives one (`touchstone.auth.tokens.Signer`); without it only the public
    register can be read. The connection is opened with the first call and opened again when it was lost: what was under
    way is then sent again, commands with the same idempotency key. Those that wait for a reply read it themselves; a
    thread of the client's own does so while nobody calls. After a fork each process has a connection of its own.
    """

    def __init__(
        self,
        amqp_uri: str,
        token: Callable[[], str] | str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        connect_within_s: float | None = None,
        client_name: str = "touchstone client",
    ):
        """`timeout_s` bounds a call; `connect_within_s`, if given, how long of that it tries to reach the broker."""
        self._amqp_uri = amqp_uri
        self._token = token
        self._timeout_s = timeout_s
        self._connect_within_s = connect_within_s
        self._client_name = client_name
        self._lock = threading.Lock()
        self._current: RpcConnection | None = None

    def call(
        self,
        service: str,
        method: str,
        /,
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        **arguments: Any,
    ) -> Any:
        """Call `service.method(**arguments)` and return its result.

        Within `timeout_s` it is tried again after a lost connection and after a retryable refusal (`in_progress`,
        `conflict`, `unavailable`); past it the service does not begin any more. A command without an `idempotency_key`
        gets a fresh one.

        Raises the matching subclass of touchstone_contracts.errors.Refusal when the service refuses; UnknownService,
        NoAnswer, BrokerUnreachable, BrokerRefused or MalformedReply when it did not come to that.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        key = idempotency_key or os.urandom(16).hex()
        body = _body({**arguments, "idempotency_key": key})
        started, correlation_id = time.monotonic(), os.urandom(16).hex()
        until = started + limit_s
        pauses: Iterator[float] | None = None
        while True:
            headers, sent_at = self._headers(correlation_id, until), time.time()
            try:
                return _result(self._connection().call(f"{service}.{method}", body, headers, until), sent_at)
            except TimeoutError:
                raise NoAnswer(f"{service}.{method} did not answer within {limit_s:g} s.", key) from None
            except (BrokerUnreachable, Refusal) as failure:
                pauses = pauses or _pauses()
                pause_s = next(pauses)
                if time.monotonic() + pause_s >= self._worth_trying_until(failure, started, until):
                    failure.add_note(f"correlation id {correlation_id}")
                    raise
            time.sleep(pause_s)

    def __getattr__(self, service: str) -> "_Service":
        if service.startswith("_"):
            raise AttributeError(service)
        return _Service(self, service)

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        with self._lock:
            connection, self._current = self._current, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _worth_trying_until(self, failure: BrokerUnreachable | Refusal, started: float, until: float) -> float:
        if isinstance(failure, DeadlineExceeded):
            return min(until, started + _OTHER_CLOCK_S)
        if isinstance(failure, Refusal):
            return until if failure.retryable else started
        if isinstance(failure, ConnectionLost) or self._connect_within_s is None:
            return until
        return min(until, started + self._connect_within_s)

    def _headers(self, correlation_id: str, until: float) -> dict[str, Any]:
        deadline = time.time() + max(0.0, until - time.monotonic())
        headers: dict[str, Any] = {
            "nameko.correlation_id": correlation_id,
            "nameko.deadline": int(deadline * 1000),
        }
        token = self._token() if callable(self._token) else self._token
        if token:
            headers["nameko.authorization"] = token
        return headers

    def _connection(self) -> RpcConnection:
        connection = self._current
        if connection is not None and connection.usable:
            return connection
        with self._lock:
            if self._current is None or not self._current.usable:
                self._current = RpcConnection(self._amqp_uri, client_name=self._client_name)
            return self._current


class _Service:
    """`client.certification`: its attributes are methods."""

    def __init__(self, client: Client, name: str):
        self._client = client
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)

        def call(**arguments: Any) -> Any:
            return self._client.call(self._name, method, **arguments)

        return call


def refusal_from(error: dict[str, Any]) -> Refusal:
    """The exception for an error object: by its code a subclass of Refusal, or a Refusal with a code unknown here."""
    code, message = str(error.get("code") or "internal_error"), str(error.get("message") or "")
    listed = [
        FieldError(str(e.get("path", "")), str(e.get("code", "")), str(e.get("message", "")))
        for e in error.get("errors") or []
        if isinstance(e, dict)
    ]
    refusal = _KNOWN.get(code, Refusal)(message, listed)
    refusal.code = code
    refusal.retryable = error.get("retryable") is True
    return refusal


_KNOWN: dict[str, type[Refusal]] = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refusal)
}


def _result(body: bytes, sent_at: float) -> Any:
    """What a reply says that came now, to a request of that moment (unix time)."""
    try:
        reply = orjson.loads(body)
        result, error = reply["result"], reply["error"]
    except (ValueError, TypeError, KeyError) as failure:
        raise MalformedReply("The reply is no JSON object with `result` and `error`.") from failure
    if error is None:
        return result
    if not isinstance(error, dict):
        raise MalformedReply("The reply's `error` is no object.")
    raise refusal_from(error | {"message": f"{error.get('message') or ''}{_clocks_apart(error, sent_at)}"})


def _clocks_apart(error: dict[str, Any], sent_at: float) -> str:
    """By how much the service's clock differs from this machine's, where the refusal may come of it; else nothing."""
    if error.get("code") not in (DeadlineExceeded.code, Unauthenticated.code):
        return ""
    try:
        service_time = datetime.datetime.fromisoformat(error["service_time"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return ""  # a service of an earlier release
    now = time.time()
    if sent_at - _CLOCK_S <= service_time <= now + _CLOCK_S:
        return ""
    ahead_s = service_time - (sent_at + now) / 2
    where = "behind" if ahead_s > 0 else "ahead of"
    return f" This machine's clock is {abs(ahead_s):.0f} s {where} the service's: set it."


def _pauses() -> Iterator[float]:
    """Seconds between attempts: growing, and spread so that many callers do not come back together."""
    pause_s = _PAUSE_S
    while True:
        yield pause_s * random.uniform(0.5, 1.5)
        pause_s = min(pause_s * 2, _PAUSE_S_MAX)


def _body(arguments: dict[str, Any]) -> bytes:
    """A request's body. Raises TypeError or ValueError when an argument is nothing that JSON can say."""
    request = {"args": [], "kwargs": arguments}
    try:
        body = orjson.dumps(request, default=_plain, option=_AS_JSON_DOES)
    except orjson.JSONEncodeError:
        body = b""  # what is larger, odder or deeper than orjson takes, or what nothing takes
    if body and b"null" not in body:
        return body
    # orjson makes `null` of NaN and of infinity in silence; json refuses them.
    return json.dumps(request, default=_plain, allow_nan=False).encode()


_AS_JSON_DOES = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""The last word has `_plain` about both, as it has for json."""


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"a {type(value).__name__} cannot be an argument")
