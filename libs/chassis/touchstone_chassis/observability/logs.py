"""Logs: one JSON object per line on stdout, with correlation ids, and without payloads, secrets or personal data."""

import contextlib
import datetime
import decimal
import enum
import json
import logging
import re
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from types import TracebackType
from typing import Any, TextIO, cast

import amqp
import structlog
from pymongo.errors import ConnectionFailure, OperationFailure

from touchstone_chassis.config import ConfigError, redact

MASK = "***"

_EventDict = MutableMapping[str, Any]

_SECRET_KEY = re.compile(
    r"(.*[^a-z])?(authorization|tokens?|jws|passw(or)?ds?|secrets?|credentials?|e?mails?|address(es)?"
    r"|body|payload|reports?|args|kwargs|headers)\Z"
)
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_MAIL_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TEXT_LENGTH_MAX = 1000
_FRAMES_MAX = 30
_CAUSES_MAX = 5
_TELLING = (OSError, amqp.AMQPError, ConnectionFailure, ConfigError)
"""Exceptions whose message says where it went wrong and never holds what a caller sent."""


def configure(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Log as `service` from `level` up; the standard library's loggers from warning up, to the same `stream`."""
    number = logging.getLevelName(level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _named(service),
            describe_exception,
            mask,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Unbreakable(stream or sys.stdout))),
        cache_logger_on_first_use=stream is None,
    )
    logging.root.handlers[:] = [_ToStructlog()]
    logging.root.setLevel(max(number, logging.WARNING))
    sys.excepthook = _log_uncaught


def describe_exception(logger: Any, method: str, event: _EventDict) -> _EventDict:
    """Turn `exc_info` into `exception`: types, places in the code, and only those messages that hold no payload.

    An exception's message may quote what a caller sent (a duplicate key, a value that does not parse), so most are
    left out; the frames name file, line and function and show no variable.
    """
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = [_described(each) for each in _chain(error)]
    return event


def mask(logger: Any, method: str, event: _EventDict) -> _EventDict:
    """Hide values by the last word of their key (`mail_address`, `authorization`, not `address_id`), and what looks
    like a token, a mail address or a password in an address inside any other text."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, (bool, int, float, type(None))):
        return value
    if _SECRET_KEY.match(key.lower()):
        return MASK
    if isinstance(value, dict):
        return {str(k): _masked(str(k), v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(key, v) for v in value]
    if isinstance(value, str):
        return _MAIL_ADDRESS.sub(MASK, _TOKEN.sub(MASK, redact(value[:_TEXT_LENGTH_MAX])))
    return value


def _named(service: str) -> Callable[[Any, str, _EventDict], _EventDict]:
    def add_service(logger: Any, method: str, event: _EventDict) -> _EventDict:
        event["service"] = service
        return event

    return add_service


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _described(error: BaseException) -> dict[str, Any]:
    description: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, _TELLING):
        description["message"] = str(error)[:500]
    if isinstance(error, OperationFailure):
        description["code"] = error.code
    description["stack"] = _places(error.__traceback__)
    return description


def _places(tb: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(tb)[-_FRAMES_MAX:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _as_json(event: dict[str, Any], **_: Any) -> str:
    return json.dumps(event, default=_plain)  # in ASCII: half a character of a caller's must not break the stream


def _plain(value: Any) -> Any:
    """Known scalars as text; of anything else the type only, since its repr may hold what must not be logged."""
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    return f"<{type(value).__name__}>"


class _Unbreakable:
    """A stream whose reader may go away: a line that cannot be written is lost, the work that wrote it goes on."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _ToStructlog(logging.Handler):
    """Hands the standard library's records on, without what libraries put into them.

    Libraries log what they were working on: nameko the exception of a handler, kombu the raw body of a message. So the
    line keeps the record's format as it stands, and of its arguments numbers, and the names of types.
    """

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        kept = [a if isinstance(a, (bool, int, float)) else f"<{type(a).__name__}>" for a in arguments]
        extra = {"values": kept} if kept else {}
        text = record.msg if isinstance(record.msg, str) else f"<{type(record.msg).__name__}>"
        structlog.get_logger().log(record.levelno, text, logger=record.name, exc_info=record.exc_info, **extra)


def _log_uncaught(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    structlog.get_logger().critical("uncaught_exception", exc_info=error)
