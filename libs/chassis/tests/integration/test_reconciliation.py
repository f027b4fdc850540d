"""The ledger of a service: what it handled and lacks is told, and what was lost comes again."""

import datetime
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_chassis.reconciliation.api import ReconciliationApi
from touchstone_chassis.reconciliation.ledger import PresentState, ReconciliationDeclarations, ids_in, missing_jobs
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.events.membership import OrganisationRegistered
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import event_queue
from touchstone_devkit.eventually import eventually

DAY = datetime.date(2026, 1, 1)
ACCREDITED, REGISTERED = BodyAccredited.type_name, OrganisationRegistered.type_name  # type: ignore[attr-defined]
HEARD = f"listener.{REGISTERED}"
LONG_AGO = "2026-01-01T00:00:00+00:00"
QUERIES = ("get_reconciliation_state", "list_processed_events", "list_unprocessed_events", "list_facts")


def labels(unit: Any, keys: list[str]) -> list[dict[str, Any]]:
    return [{"id": d["_id"], "label": d["label"]} for d in unit.find("things", {"_id": {"$in": list(keys)}})]


def due_reminder(unit: Any, key: str) -> Any:
    thing = unit.find_one("things", {"_id": key})
    return None if thing else (datetime.datetime.now(datetime.UTC), {"why": "restored"})


def present_thing(unit: Any, id: str) -> Any:
    thing = unit.find_one("things", {"_id": id})
    told = OrganisationRegistered(member_id=id, legal_name=thing["label"], member_class="PT", country="DE")
    return told, thing["version"]


class Comparing(ReconciliationApi, DeadLetterApi):
    reconciliation = ReconciliationDeclarations(
        facts={"labels": labels},
        announced_in_full=[[OrganisationRegistered]],
        deadlines={"reminder": due_reminder},
        present={OrganisationRegistered: PresentState(of=present_thing, ids=ids_in("things"))},
    )


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (Comparing,)


@pytest.fixture
def operator(bus: Any, issuer: Any) -> Callable[..., Any]:
    def ask(method: str, **kwargs: Any) -> Any:
        key = {} if method in QUERIES else {"idempotency_key": uuid.uuid4().hex}
        reply = bus.call(method, issuer.token(OPERATOR), **key, **kwargs)
        return reply["error"] or reply["result"]

    return ask


def accredit(bus: Any, body_id: str) -> str:
    """Publish an event that the toy consumes; its id."""
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    bus.publish_event(wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1") | {"id": body_id})
    return body_id


def handle(bus: Any, database: Any, body_id: str) -> str:
    """Have the toy handle an event; the id of the event that it announced."""
    accredit(bus, body_id)
    assert eventually(lambda: bus.take(HEARD))
    row = eventually(lambda: database["events"].find_one({"subject": body_id}))
    return str(row["_id"])


def put_back_into_the_outbox(database: Any, id: str, **changes: Any) -> None:
    """As if the broker had not confirmed it yet."""
    row = database["events"].find_one_and_delete({"_id": id})
    database["outbox"].insert_one(row | {"pending": True} | changes)


def test_what_was_handled_is_listed_page_by_page(bus, operator, database):
    for number in range(3):
        handle(bus, database, f"b-{number}")

    first = operator("list_processed_events", since=LONG_AGO, limit=2)
    rest = operator("list_processed_events", since=LONG_AGO, limit=2, after=first["next"])

    assert {row["id"] for row in first["items"] + rest["items"]} == {"b-0", "b-1", "b-2"}
    assert {row["type"] for row in first["items"]} == {ACCREDITED}
    assert operator("list_processed_events", since="2999-01-01T00:00:00+00:00")["items"] == []
    assert operator("list_processed_events", since=LONG_AGO, until="2026-01-02T00:00:00+00:00")["items"] == []


def test_an_event_is_unprocessed_until_it_is_handled_parked_or_discarded(bus, operator, database, behaviour):
    def fail() -> None:
        raise ValueError("no")

    handle(bus, database, "b-1")
    behaviour["b-2"] = fail
    accredit(bus, "b-2")
    (parked,) = eventually(lambda: operator("list_dead_letters")["items"], within_s=15)

    asked = {ACCREDITED: ["b-1", "b-2", "b-3"], "nobody.consumes.v1": ["x"]}
    before = operator("list_unprocessed_events", events=asked)
    operator("discard_dead_letters", ids=[parked["id"]], why="not ours")
    after = operator("list_unprocessed_events", events=asked)

    assert {(row["id"], row["state"]) for row in before["items"]} == {("b-2", "parked"), ("b-3", "missing")}
    assert {(row["id"], row["state"]) for row in after["items"]} == {("b-2", "discarded"), ("b-3", "missing")}
    assert after["queues"] == {ACCREDITED: 0} and after["retrying"] == 0


def test_an_event_that_was_edited_and_waits_to_be_replayed_is_on_its_way(bus, operator, behaviour):
    def fail() -> None:
        raise ValueError("no")

    behaviour["b-2"] = fail
    accredit(bus, "b-2")
    (parked,) = eventually(lambda: operator("list_dead_letters")["items"], within_s=15)
    body = operator("get_dead_letter", id=parked["id"])["body"]
    operator("edit_dead_letter", id=parked["id"], body=json.dumps(body | {"subject": "b-9"}), why="wrong")
    behaviour.clear()
    behaviour["b-2"] = fail

    operator("replay_dead_letters", ids=[parked["id"]], why="mended", rate_per_s=0.1)
    (item,) = operator("list_unprocessed_events", events={ACCREDITED: ["b-2"]})["items"]

    assert (item["state"], item["edited"]) == ("replaying", True)


def test_a_queue_that_is_not_there_is_told(bus, operator):
    bus.channel.queue_delete(event_queue("toy", ACCREDITED))

    found = operator("list_unprocessed_events", events={ACCREDITED: ["b-3"]})

    assert found["queues"] == {ACCREDITED: None}


def test_an_event_goes_out_again_with_its_id_and_it_is_recorded_who_wanted_it(bus, operator, database, resources):
    id = handle(bus, database, "b-1")
    database["events"].update_one(
        {"_id": id}, {"$set": {"recorded_at": datetime.datetime.now() - datetime.timedelta(9)}}
    )

    done = operator("republish_events", ids=[id, "unknown"], why="the queue was deleted")
    properties, body = eventually(lambda: bus.take(HEARD))

    mark = eventually(lambda: database["republications"].find_one({"event_id": id}))
    assert done["republished"] == [id] and done["refused"][0]["code"] == "not_found"
    assert properties.message_id == id and b"b-1" in body
    (action,) = mark["why"]
    assert (action["who"], action["why"]) == ("operator-1 (operator, tests)", "the queue was deleted")
    assert resources.background_relay.check_lag()[0]


def test_an_event_that_waits_or_is_too_old_is_not_published_again(bus, operator, database):
    waiting, old = handle(bus, database, "b-1"), handle(bus, database, "b-2")
    far = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    put_back_into_the_outbox(database, waiting, next_attempt_at=far)
    database["events"].update_one({"_id": old}, {"$set": {"recorded_at": far - datetime.timedelta(days=57)}})

    refused = operator("republish_events", ids=[waiting, old], why="x")["refused"]

    assert {row["id"]: row["code"] for row in refused} == {waiting: "pending", old: "too_old"}


def test_an_event_whose_body_had_to_leave_tells_the_present_state(bus, operator, database, monkeypatch):
    monkeypatch.setattr(OrganisationRegistered, "personal", True)
    id = handle(bus, database, "b-1")
    gone = database["events"].find_one({"_id": id})
    database["things"].update_one({"_id": "b-1"}, {"$set": {"label": "renamed"}})

    done = operator("republish_events", ids=[id], why="lost")
    properties, body = eventually(lambda: bus.take(HEARD))

    eventually(lambda: database["republications"].find_one({"event_id": id}))
    again = database["events"].find_one({"_id": id})
    assert done["republished"] == [id] and properties.message_id == id and b"renamed" in body
    assert "body" not in gone and "body" not in again
    assert gone["time"].encode() in body


def test_the_state_names_what_is_consumed_declared_and_overdue(bus, operator, database):
    id = handle(bus, database, "b-1")
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    put_back_into_the_outbox(database, id, recorded_at=long_ago, next_attempt_at=later)

    state = operator("get_reconciliation_state", overdue_s=60)

    assert state["consumes"] == [ACCREDITED] and state["announced_in_full"] == [[REGISTERED]]
    assert state["facts"] == ["labels"]
    assert [(row["id"], row["type"]) for row in state["overdue"]] == [(id, REGISTERED)]


def test_the_state_says_when_the_database_was_put_back_last(operator, database):
    before = operator("get_reconciliation_state")["restored_at"]
    moments = [datetime.datetime(2026, 11, day, tzinfo=datetime.UTC) for day in (1, 2)]
    database["restores"].insert_many([{"at": moment, "finished": True} for moment in moments])

    after = operator("get_reconciliation_state")["restored_at"]

    assert before is None and datetime.datetime.fromisoformat(after) == moments[-1]


def test_facts_are_what_the_service_declares(bus, operator, database):
    handle(bus, database, "b-1")

    assert operator("list_facts", name="labels", keys=["b-1", "b-2"])["items"] == [{"id": "b-1", "label": "b-1"}]
    assert operator("list_facts", name="secrets", keys=["b-1"])["code"] == "invalid_request"


def test_a_deadline_that_ought_to_be_there_is_set_again_and_no_other(bus, operator, database, resources):
    handle(bus, database, "b-1")
    lacking = missing_jobs(resources.unit(), "reminder", ["b-1", "r-1"])

    done = operator("restore_deadlines", kind="reminder", keys=["r-1", "b-1"], why="lost")
    other = operator("restore_deadlines", kind="unknown", keys=["r-1"], why="lost")

    assert eventually(lambda: database["things"].find_one({"_id": "r-1"}))["label"] == "restoredr-1"
    assert lacking == {"b-1", "r-1"}
    assert done["restored"] == ["r-1"] and done["refused"][0]["code"] == "not_due"
    assert other["refused"][0]["code"] == "unknown_kind"


@pytest.mark.parametrize(
    ("method", "kwargs"),
    [
        ("list_processed_events", {}),
        ("list_processed_events", {"since": LONG_AGO, "after": "nonsense"}),
        ("list_unprocessed_events", {"events": {"a": ["x"] * 600, "b": ["y"] * 600}}),
        ("republish_events", {"ids": ["x"], "why": " "}),
    ],
)
def test_a_request_that_is_not_of_the_form_is_refused(operator, method, kwargs):
    assert operator(method, **kwargs)["code"] == "invalid_request"
