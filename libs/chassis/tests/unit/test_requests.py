"""What operators ask is read as strictly as what everybody else asks."""

from typing import Any

import pytest
from marshmallow import Schema

from touchstone_chassis.deadletters.api import DiscardDeadLetters, GetDeadLetter
from touchstone_chassis.history.api import FindEvents
from touchstone_chassis.reconciliation.api import ListProcessedEvents, RepublishEvents
from touchstone_chassis.validation import load
from touchstone_contracts.errors import InvalidRequest


@pytest.mark.parametrize(
    ("schema", "request_", "path", "code"),
    [
        *((RepublishEvents(), {"ids": ["e-1"], "why": why}, "why", "blank") for why in ("", " \n", "\u200b", "\u3164")),
        *((RepublishEvents(), {"ids": ["e-1"], "why": why}, "why", "invalid_text") for why in ("a\x1bb", "a\u202eb")),
        (RepublishEvents(), {"ids": ["e-1"], "why": "x" * 501}, "why", "too_long"),
        (DiscardDeadLetters(), {"ids": ["d-1"], "why": "x", "dry_run": "no"}, "dry_run", "wrong_type"),
        (DiscardDeadLetters(), {"ids": ["d-1"], "why": "x", "dry_run": 0}, "dry_run", "wrong_type"),
        (FindEvents(), {"since": "2026-W10-1T00:00:00Z"}, "since", "invalid_moment"),
        (FindEvents(), {"since": "2026-03-05"}, "since", "invalid_moment"),
        (ListProcessedEvents(), {"since": "2026-03-05T09:00:00"}, "since", "invalid_moment"),
        (ListProcessedEvents(), {"since": 0}, "since", "wrong_type"),
    ],
)
def test_what_is_wrong_with_an_operators_request_has_the_code_that_it_has_everywhere(
    schema: Schema, request_: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        load(schema, request_)

    assert [(e.path, e.code) for e in refused.value.errors] == [(path, code)]


def test_a_reason_of_several_lines_is_kept_with_its_line_breaks() -> None:
    assert load(RepublishEvents(), {"ids": ["e-1"], "why": " Lost.\r\nSee 12. "})["why"] == "Lost.\nSee 12."


@pytest.mark.parametrize("id", [" e-1", "e\u202e-1", "e\u0301"])
def test_what_is_there_is_looked_up_as_it_is_named(id: str) -> None:
    assert load(GetDeadLetter(), {"id": id}) == {"id": id}
