"""The error object and the published list of codes."""

import pytest

from touchstone_contracts import errors
from touchstone_contracts.errors import CODES, FieldError, InvalidReport, Refusal


def _refusals() -> list[type[Refusal]]:
    return [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Refusal) and c is not Refusal]


def test_a_refusal_becomes_one_object_with_all_that_is_wrong() -> None:
    refusal = InvalidReport(
        "The report has 2 faults.",
        (
            FieldError("findings[3].rating", "unknown_rating", "'good' is not a rating."),
            FieldError("team", "required", "A lead auditor is missing."),
        ),
    )

    assert refusal.as_dict() == {
        "code": "invalid_report",
        "message": "The report has 2 faults.",
        "errors": [
            {"path": "findings[3].rating", "code": "unknown_rating", "message": "'good' is not a rating."},
            {"path": "team", "code": "required", "message": "A lead auditor is missing."},
        ],
        "retryable": False,
    }


@pytest.mark.parametrize("refusal", _refusals(), ids=lambda c: c.__name__)
def test_every_refusal_is_in_the_list_of_codes_with_its_meaning(refusal: type[Refusal]) -> None:
    assert CODES[refusal.code] == (refusal.__doc__ or "").strip().splitlines()[0]


def test_no_two_refusals_share_a_code() -> None:
    codes = [c.code for c in _refusals()]

    assert len(codes) == len(set(codes)) >= 10


def test_only_what_may_succeed_when_asked_again_is_retryable() -> None:
    retryable = {c.code for c in _refusals() if c.retryable}

    assert retryable == {"in_progress", "conflict", "deadline_exceeded", "not_known_yet", "unavailable"}
