"""Addresses are masked wherever they stand, and put back where an editor left them masked."""

import time

import pytest

from touchstone_chassis.observability.redaction import masked, masked_text, unmasked
from touchstone_devkit.eventually import patience


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to <rosa@example.org>, now", "to <r•••@example.org>, now"),
        ('{"x": "a.b+c@d.example"', '{"x": "a•••@d.example"'),
        ("a@b@c", "a•••@c"),
        ("@home and 5 @ 3", "@home and 5 @ 3"),
        ("r•••@example.org", "r•••@example.org"),
    ],
)
def test_what_looks_like_an_address_is_masked_in_text(text: str, shown: str):
    assert masked_text(text) == shown


def test_addresses_are_masked_at_any_depth_and_by_their_key():
    value = {"data": [{"address": "rosa@example.org", "name": "Rosa"}], "to": ["+49 123"], "n": 1, "none": None}

    assert masked(value) == {
        "data": [{"address": "r•••@example.org", "name": "Rosa"}],
        "to": ["+•••"],
        "n": 1,
        "none": None,
    }


def test_a_long_word_is_no_work():
    started = time.monotonic()

    masked_text("x" * 1_000_000 + "@")

    assert time.monotonic() - started < patience()


def test_what_was_left_masked_is_put_back_and_what_was_changed_stays():
    old = {"address": "rosa@example.org", "to": ["a@b.example", "c@d.example"], "name": "Rosa", "gone": 1}
    seen = masked(old) | {"name": "Rosa D.", "new": "x•••@y.example"}

    assert unmasked(seen, old) == {
        "address": "rosa@example.org",
        "to": ["a@b.example", "c@d.example"],
        "name": "Rosa D.",
        "gone": 1,
        "new": "x•••@y.example",
    }
    assert unmasked({"address": "r•••@other.example"}, old) == {"address": "r•••@other.example"}
