"""The errors that a caller may meet: one object on the wire, one published list of codes."""

import dataclasses
from collections.abc import Iterable
from typing import Any

CODES: dict[str, str] = {}
"""Every error code and what it means to the caller."""


@dataclasses.dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with the input: where (`findings[3].rating`), a code, and a sentence."""

    path: str
    code: str
    message: str


class Refusal(Exception):
    """A call that was understood and not carried out. Nothing has been changed."""

    code = "refused"
    retryable = False

    def __init__(self, message: str, errors: Iterable[FieldError] = ()):
        super().__init__(message)
        self.message = message
        self.errors = tuple(errors)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" in cls.__dict__:
            CODES.setdefault(cls.code, (cls.__doc__ or "").strip().splitlines()[0])

    def as_dict(self) -> dict[str, Any]:
        """The error object: `code`, `message`, `errors`, `retryable`."""
        return {
            "code": self.code,
            "message": self.message,
            "errors": [dataclasses.asdict(e) for e in self.errors],
            "retryable": self.retryable,
        }


class InvalidRequest(Refusal):
    """The arguments are not of the method's form; `errors` lists everything that is wrong."""

    code = "invalid_request"


class InvalidReport(Refusal):
    """The audit report is incomplete or inconsistent; `errors` lists everything that is wrong."""

    code = "invalid_report"


class Unauthenticated(Refusal):
    """No token, or one that is expired, forged, or meant for somebody else."""

    code = "unauthenticated"


class Forbidden(Refusal):
    """The caller's role, body or organisation may not do this."""

    code = "forbidden"


class NotFound(Refusal):
    """There is nothing by that id that the caller may see."""

    code = "not_found"


class AlreadyExists(Refusal):
    """Something by that id, or in that place, exists already."""

    code = "already_exists"


class IllegalTransition(Refusal):
    """The state of the thing does not allow the command."""

    code = "illegal_transition"


class DecisionNotImpartial(Refusal):
    """Whoever took part in the audit or wrote the report may not accept or decide it."""

    code = "decision_not_impartial"


class IdempotencyConflict(Refusal):
    """The idempotency key was used before with another body."""

    code = "idempotency_conflict"


class InProgress(Refusal):
    """The first call with this idempotency key is still under way: ask again."""

    code = "in_progress"
    retryable = True


class Conflict(Refusal):
    """Somebody else changed the same thing at the same time, again and again: try again."""

    code = "conflict"
    retryable = True


class DeadlineExceeded(Refusal):
    """The call's deadline passed before anything was done."""

    code = "deadline_exceeded"
    retryable = True


class NotKnownYet(Refusal):
    """What is named has not been heard of here, and not all is here yet that its owner has told: try again."""

    code = "not_known_yet"
    retryable = True


class Unavailable(Refusal):
    """The service cannot reach its database at the moment: try again."""

    code = "unavailable"
    retryable = True


class UnknownMethod(Refusal):
    """The service has no such method."""

    code = "unknown_method"


class MalformedRequest(Refusal):
    """The message is no request: not JSON, a key twice, wrong content type, compressed, too large or broken headers."""

    code = "malformed_request"


class InternalError(Refusal):
    """The service failed in a way that it did not foresee; its log has the details under the correlation id."""

    code = "internal_error"
