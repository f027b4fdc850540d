"""What is shown of an event to whoever follows a case: what its class calls public, whoever says which class it is."""

import json
from typing import Any

import pytest

from touchstone_chassis.history.reader import facts_of
from touchstone_contracts.events.membership import ContactChanged, MembershipSuspended

SUSPENDED = MembershipSuspended.type_name  # type: ignore[attr-defined]


def body(data: Any, type: Any = SUSPENDED) -> bytes:
    return json.dumps({"type": type, "data": data}).encode()


def test_public_attributes_are_shown_with_addresses_masked_and_empty_ones_are_left_out():
    data = {"member_id": "m-1", "reasons": ["ask rosa@example.org"], "effective_on": None, "legal_name": "M"}

    assert facts_of(body(data), SUSPENDED) == {"member_id": "m-1", "reasons": ["ask r•••@example.org"]}


def test_of_a_person_neither_name_nor_address_is_shown():
    data = {"contact_id": "c-1", "party": {"kind": "member", "id": "m-1"}, "name": "Rosa", "address": "r@example.org"}

    shown = facts_of(body(data), ContactChanged.type_name)  # type: ignore[attr-defined]

    assert shown == {"contact_id": "c-1", "party": {"kind": "member", "id": "m-1"}}


def test_a_version_that_is_not_known_here_is_shown_as_one_that_is():
    assert facts_of(body({"member_id": "m-1"}), "membership.membership_suspended.v9") == {"member_id": "m-1"}


@pytest.mark.parametrize("named", [("nonsense", SUSPENDED), (None, SUSPENDED), ("", None)])
def test_a_type_that_says_nothing_leaves_the_word_to_the_next(named: tuple[str | None, ...]):
    assert facts_of(body({"member_id": "m-1"}), *named) == {"member_id": "m-1"}


@pytest.mark.parametrize("claimed", ["nonsense", 7, None, {"a": 1}])
def test_of_a_type_that_nobody_knows_nothing_is_shown(claimed: Any):
    assert facts_of(body({"member_id": "m-1"}, claimed), "submissions") == {}


@pytest.mark.parametrize("found", [None, b"", b"\xff", b"[]", body(["member_id"])])
def test_of_a_body_that_is_no_event_nothing_is_shown(found: bytes | None):
    assert facts_of(found, SUSPENDED) == {}
