"""Ids of events: well-formed, different, and later ones behind earlier ones."""

import time
import uuid

import pytest

from touchstone_chassis.unit_of_work.ids import new_id

pytestmark = pytest.mark.usefixtures("fixed_time")


def test_an_id_is_a_uuid_of_version_7():
    made = [uuid.UUID(new_id()) for _ in range(200)]

    assert {(id.version, id.variant) for id in made} == {(7, uuid.RFC_4122)}


def test_ids_differ_in_every_bit_that_says_neither_time_nor_kind():
    made = [int(new_id(), 16) for _ in range(400)]
    differing = 0
    for id in made:
        differing |= id ^ made[0]

    assert len(set(made)) == 400
    assert bin(differing & (1 << 76) - 1).count("1") == 74


def test_an_id_of_a_later_millisecond_sorts_behind(monkeypatch):
    begun = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: begun)
    earlier = [new_id() for _ in range(50)]
    monkeypatch.setattr(time, "time_ns", lambda: begun + 1_000_000)
    later = [new_id() for _ in range(50)]

    assert max(earlier) < min(later)
    assert int(earlier[0][:12], 16) == begun // 1_000_000
