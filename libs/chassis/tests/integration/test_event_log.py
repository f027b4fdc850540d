"""The event log: what was announced is kept for good, once, and never changed."""

import datetime
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from touchstone_chassis.mongo.client import connect
from touchstone_chassis.mongo.server_time import machine_time
from touchstone_chassis.outbox.event_log import EventLog
from touchstone_chassis.unit_of_work.announced import find_events
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.events.membership import ContactChanged, OrganisationRegistered
from touchstone_contracts.values import Party, PartyKind
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import unsigned

TYPE = "membership.organisation_registered.v1"
DAYS_AGO = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(days=50)


@pytest.fixture
def database(settings: dict[str, Any]) -> Iterator[Any]:
    """One in which no service moves anything."""
    client = connect(settings["MONGO_URI"])
    yield client[f"{settings['database']}-log"]
    client.close()


@pytest.fixture
def event_log(database: Any) -> EventLog:
    return EventLog(database, unsigned)


def registered(id: str) -> OrganisationRegistered:
    return OrganisationRegistered(member_id=id, legal_name=id, member_class="PT", country="DE")


def announce(database: Any, *subjects: str, event: Any = None) -> list[dict[str, Any]]:
    """Rows as a commit leaves them in the outbox."""
    for subject in subjects:
        unit = UnitOfWork(database)
        unit.save("things", {"_id": subject, "version": 0, "label": uuid.uuid4().hex}, [event or registered(subject)])
        committer = Committer(database, event_time=machine_time, sign=unsigned, committed=lambda _rows, _changes: None)
        committer.commit(unit, Origin("cor"), CompletionRecord())
    return list(database["outbox"].find({"subject": {"$in": list(subjects)}}))


def test_what_went_out_leaves_the_outbox_for_the_log_and_is_counted_by_type(event_log: EventLog, database: Any) -> None:
    rows = announce(database, "t-1", "t-2")

    event_log.append(rows)

    assert database["outbox"].count_documents({}) == 0
    kept = {event["subject"]: event for event in database["events"].find()}
    assert {subject: (e["body"], e["sequence"], e["signature"]) for subject, e in kept.items()} == {
        row["subject"]: (row["body"], 1, row["signature"]) for row in rows
    }
    assert all(event["published_at"] for event in kept.values())
    assert list(database["event_counts"].find()) == [{"_id": TYPE, "count": 2}]


def test_what_is_moved_twice_is_kept_and_counted_once(event_log: EventLog, database: Any) -> None:
    rows = announce(database, "t-1")

    event_log.append([*rows, *rows])
    first = list(database["events"].find())
    event_log.append(rows)

    assert list(database["events"].find()) == first and len(first) == 1
    assert database["event_counts"].find_one() == {"_id": TYPE, "count": 1}


def test_one_that_goes_out_once_more_changes_nothing_in_the_log_and_is_noted_beside_it(
    event_log: EventLog, database: Any
) -> None:
    (row,) = announce(database, "t-1")
    event_log.append([row])
    kept = database["events"].find_one()
    again = row | {"waits_since": DAYS_AGO, "republished": [{"why": "lost"}]}
    database["outbox"].insert_one(again)

    waiting = find_events(UnitOfWork(database), {"subject": "t-1"})
    event_log.append([again])

    assert [event["pending"] for event in waiting] == [True]
    assert database["events"].find_one() == kept and database["outbox"].count_documents({}) == 0
    mark = database["republications"].find_one()
    assert (mark["event_id"], mark["why"]) == (row["_id"], [{"why": "lost"}])


def test_a_row_that_is_to_go_out_once_more_since_it_was_published_stays(event_log: EventLog, database: Any) -> None:
    (row,) = announce(database, "t-1")
    database["outbox"].replace_one({"_id": row["_id"]}, row | {"waits_since": DAYS_AGO})

    event_log.append([row])

    assert database["outbox"].find_one({"_id": row["_id"]}) and database["events"].find_one({"_id": row["_id"]})


def test_nothing_personal_is_ever_in_the_log(event_log: EventLog, database: Any) -> None:
    contact = ContactChanged(
        contact_id="c-1",
        party=Party(kind=PartyKind.MEMBER, id="m"),
        name="N. Person",
        address="n@example.org",
        roles=[],
        language="en",
        channels=["email"],
    )
    rows = announce(database, "c-1", event=contact)

    event_log.append(rows)

    (kept,) = database["events"].find()
    assert not {"body", "signature"} & kept.keys() and kept["time"]
    assert not [part for part in ("example.org", "N. Person") if part in str(kept)]


def test_what_the_release_before_left_is_taken_over_signed_marked_and_not_counted(
    event_log: EventLog, database: Any
) -> None:
    (row, other) = announce(database, "t-1", "t-2")
    gone = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=10)
    id = uuid.uuid4().hex  # of version 4: it makes no others
    done = {"_id": id, "pending": False, "published_at": DAYS_AGO, "expires_at": gone}
    old = {name: value for name, value in row.items() if name != "signature"} | done
    database["outbox"].insert_one(old)

    taken = event_log.adopt(), event_log.adopt()

    assert taken == (1, 0)
    kept = database["events"].find_one({"_id": id})
    assert (kept["signature"], kept["signed_later"]) == (next(iter(unsigned([b""]))), True)
    assert (kept["published_at"], kept["body"]) == (DAYS_AGO, old["body"])
    assert "expires_at" not in kept and not database["event_counts"].count_documents({})
    assert {left["_id"] for left in database["outbox"].find()} == {row["_id"], other["_id"]}


def test_what_waits_and_what_is_in_the_log_are_found_as_one_in_order(event_log: EventLog, database: Any) -> None:
    rows = [row for number in range(5) for row in announce(database, f"t-{number}")]
    event_log.append(rows[1:4])
    unit, order = UnitOfWork(database), [("recorded_at", 1), ("_id", 1)]

    first = find_events(unit, {}, sort=order, limit=3)
    last = find_events(unit, {}, sort=[("recorded_at", -1)], limit=1)

    assert [(event["subject"], event["pending"]) for event in first] == [("t-0", True), ("t-1", False), ("t-2", False)]
    assert [event["subject"] for event in last] == ["t-4"]


def test_a_service_moves_what_it_published_and_tells_of_it(resources: Any, bus: Any) -> None:
    database = resources.mongo.database
    unit = resources.unit()
    unit.save("things", {"_id": "t-1", "version": 0, "label": "t"}, [registered("t-1")])

    resources.committer.commit(unit, Origin("cor"), CompletionRecord())

    event = eventually(lambda: database["events"].find_one({"subject": "t-1"}))
    assert database["outbox"].count_documents({}) == 0
    assert [found["_id"] for found in find_events(resources.unit(), {"subject": "t-1"})] == [event["_id"]]
