"""Each event that was announced, and each that was handled, counts once, whatever became of it on the way."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from touchstone_chassis.heartbeat import counts
from touchstone_chassis.mongo.client import connect
from touchstone_chassis.unit_of_work.ids import first_id_at, new_id

NAME, TYPE = "assessment.audit_accepted", "assessment.audit_accepted.v1"
HANDLERS = {TYPE: "open_case", "assessment.audit_accepted.v2": "open_case"}
HOUR_AGO = first_id_at(datetime.datetime.now(datetime.UTC).timestamp() - 3600)


@pytest.fixture
def database(backing: Any, database_prefix: str) -> Iterator[Any]:
    client = connect(backing.mongo_uri)
    yield client[f"{database_prefix}_counting"]
    client.drop_database(f"{database_prefix}_counting")
    client.close()


def an_id(*, hours_ago: float) -> str:
    """As an event had it that was announced so long ago."""
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours_ago)
    return first_id_at(moment.timestamp())[:12] + new_id()[12:]


def handle(database: Any, *ids: str, about: dict[str, Any] | None = None) -> None:
    for id in ids:
        noted = {"_id": f"certification.open_case/{id}", "event": NAME, **(about or {"counted": False})}
        database["inbox"].insert_one(noted)


def tallied(database: Any) -> dict[str, int]:
    while counts.tally(database, HANDLERS, "certification"):
        pass
    return counts.handled(database)


def letter(id: str, state: str) -> dict[str, Any]:
    found = {"_id": f"letter-{id}", "event_id": id, "event_type": TYPE, "state": state}
    return found | ({"counted": False} if state == "discarded" else {})


def test_what_waits_and_what_is_logged_is_committed_and_what_goes_out_once_more_counts_once(database: Any) -> None:
    database["event_counts"].insert_many(
        [{"_id": TYPE, "count": 3}, {"_id": "assessment.audit_accepted.v2", "count": 2}]
    )
    rows = [
        {"_id": new_id()},
        {"_id": new_id(), "waits_since": 1},
        {"_id": new_id(), "properties": {}},
        {"_id": "4" * 32},
    ]
    database["outbox"].insert_many([row | {"type": TYPE, "pending": True} for row in rows])

    assert counts.committed(database) == {NAME: 6}


def test_what_was_handled_is_tallied_once(database: Any) -> None:
    handle(database, new_id(), new_id())
    first = tallied(database)
    handle(database, new_id())

    assert (first, tallied(database), tallied(database)) == ({NAME: 2}, {NAME: 3}, {NAME: 3})


def test_what_is_parked_is_not_handled_and_what_was_discarded_is_unless_it_was_handled_too(database: Any) -> None:
    parked, discarded, handled = new_id(), new_id(), new_id()
    handle(database, handled)
    letters = [letter(parked, "parked"), letter(discarded, "discarded"), letter(handled, "discarded")]
    database["dead_letters"].insert_many(letters)

    assert (tallied(database), tallied(database)) == ({NAME: 2}, {NAME: 2})


def test_what_came_out_of_a_log_counts_with_the_backfill_alone(database: Any) -> None:
    handle(database, an_id(hours_ago=5), about={"backfill": "run"})

    assert tallied(database) == {}


def test_after_a_backfill_all_of_before_is_handled_but_what_is_parked_and_what_came_since_counts_by_itself(
    database: Any,
) -> None:
    handle(database, an_id(hours_ago=9), an_id(hours_ago=8))
    tallied(database)
    handle(database, an_id(hours_ago=7), an_id(hours_ago=0.5), an_id(hours_ago=0.2))
    filled = an_id(hours_ago=0.4)
    handle(database, filled, f"{new_id()}/{filled}", about={"backfill": "run"})
    database["dead_letters"].insert_one(letter(an_id(hours_ago=6), "parked"))

    counts.settle(database, HANDLERS, "certification", {NAME: 100}, HOUR_AGO)
    settled = tallied(database)
    handle(database, an_id(hours_ago=6))

    assert settled == {NAME: 100 - 1 + 3}
    assert tallied(database) == {NAME: 103}


def test_what_was_committed_before_a_boundary_is_counted_in_log_and_outbox_by_our_ids_alone(database: Any) -> None:
    database["events"].insert_many([{"_id": an_id(hours_ago=n), "type": TYPE} for n in (0.5, 2, 3)])
    database["events"].insert_one({"_id": "0" * 32, "type": TYPE})
    database["outbox"].insert_one({"_id": an_id(hours_ago=4), "type": TYPE})

    assert counts.committed_before(database, HOUR_AGO) == {NAME: 3}
