"""The one table from a refusal to an HTTP status."""

from touchstone_contracts.errors import Refusal

_STATUS = {
    "invalid_request": "400 Bad Request",
    "malformed_request": "400 Bad Request",
    "unauthenticated": "401 Unauthorized",
    "forbidden": "403 Forbidden",
    "not_found": "404 Not Found",
    "unknown_method": "404 Not Found",
    "internal_error": "500 Internal Server Error",
    "unavailable": "503 Service Unavailable",
    "deadline_exceeded": "504 Gateway Timeout",
}


def status_of(refusal: Refusal) -> str:
    """The status line of a refusal; of one that the table does not name: a conflict, or a body that is not valid."""
    return _STATUS.get(refusal.code, "422 Unprocessable Content" if refusal.errors else "409 Conflict")
