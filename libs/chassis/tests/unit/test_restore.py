"""What a service makes of the notes that restores leave in its database."""

import datetime
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from touchstone_chassis.health.restore import HalfRestored, WholeDatabase
from touchstone_contracts.bookkeeping import HALF_RESTORED, RESTORES


class Notes:
    """A database whose collection of restores finds what it was given."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def __getitem__(self, name: str) -> "Notes":
        assert name == RESTORES
        return self

    def find_one(self, wanted: dict[str, Any]) -> Any:
        assert wanted == HALF_RESTORED
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def whole(found: Any) -> WholeDatabase:
    return WholeDatabase(lambda: Notes(found))  # type: ignore[arg-type, return-value]


def test_a_database_without_a_half_done_restore_is_whole() -> None:
    assert whole(None)() == (True, "no restore is half done")
    assert whole(None).known()


def test_a_half_done_restore_is_refused_with_what_to_do() -> None:
    begun = whole({"at": datetime.datetime(2026, 3, 1, 12)})

    ok, sentence = begun()

    assert not ok and "2026-03-01T12:00:00Z" in sentence and "--replace" in sentence
    with pytest.raises(HalfRestored, match="--replace"):
        begun.known()


def test_a_database_that_does_not_answer_is_not_known_to_be_whole() -> None:
    assert whole(ServerSelectionTimeoutError("away")).known() is False
