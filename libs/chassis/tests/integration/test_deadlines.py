"""Deadlines: durable, claimed by one, run right after the commit that set them, and again when their handler fails."""

import datetime
import uuid

from eventlet.event import Event

from touchstone_chassis.scheduling import job_queue
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_devkit.eventually import eventually


def test_a_deadline_that_is_due_runs_right_after_the_commit_and_is_gone(bus, issuer, database):
    bus.call("remind", issuer.token(), id="d-1", idempotency_key="k")

    assert eventually(lambda: database["things"].find_one({"_id": "d-1"}))["label"] == "testd-1"
    assert database["deadlines"].count_documents({}) == 0


def test_what_is_due_at_once_is_taken_from_the_commit_and_not_looked_for(monkeypatch, request, issuer):
    monkeypatch.setattr(job_queue, "POLL_S", 3_600)
    bus, database = request.getfixturevalue("bus"), request.getfixturevalue("database")
    bus.call("remind", issuer.token(), id="d-1", idempotency_key="k")  # by now it has looked once
    eventually(lambda: database["things"].find_one({"_id": "d-1"}))
    database.command("profile", 2)

    for id in ("d-2", "d-3"):
        bus.call("remind", issuer.token(), id=id, idempotency_key=id)

    assert eventually(lambda: database["things"].count_documents({"_id": {"$in": ["d-2", "d-3"]}}) == 2)
    asked = database["system.profile"].find({"appName": "touchstone", "ns": f"{database.name}.deadlines"})
    assert {noted["op"] for noted in asked} == {"update", "remove"}
    assert database["deadlines"].count_documents({}) == 0


def test_a_job_that_was_set_anew_since_its_commit_runs_as_it_is_now_when_it_is_due(bus, resources, database):
    now = datetime.datetime.now(datetime.UTC)
    stored = {"kind": "reminder", "payload": {"why": "now"}, "attempt": 0, "claim": None, "claimed_until": None}
    later = {"_id": "reminder/later", "key": "later", "due_at": now + datetime.timedelta(hours=1)}
    other = {"_id": "reminder/other", "key": "other", "due_at": now}
    database["deadlines"].insert_many([stored | later, stored | other])

    (take,) = resources.job_listeners
    take([stored | later | {"due_at": now}, stored | other | {"payload": {"why": "before"}}])

    assert eventually(lambda: database["things"].find_one({"_id": "other"}))["label"] == "nowother"
    assert database["things"].find_one({"_id": "later"}) is None
    assert database["deadlines"].find_one({"_id": "reminder/later"})["claim"] is None


def test_a_replica_that_runs_no_deadlines_leaves_them_to_the_others(settings, request, issuer):
    settings["run_deadlines"] = False
    bus, database = request.getfixturevalue("bus"), request.getfixturevalue("database")

    bus.call("remind", issuer.token(), id="d-1", idempotency_key="k")
    bus.call("name_thing", issuer.token(), id="later", label="later", idempotency_key="k2")

    assert database["deadlines"].find_one({"_id": "reminder/d-1"})["claim"] is None
    assert database["things"].find_one({"_id": "d-1"}) is None


def test_a_deadline_whose_handler_fails_is_tried_again(bus, issuer, database, behaviour):
    def fail() -> None:
        raise ValueError("not now")

    behaviour["d-1#1"] = fail

    bus.call("remind", issuer.token(), id="d-1", idempotency_key="k")

    assert eventually(lambda: database["things"].find_one({"_id": "d-1"}), within_s=15)


def test_a_deadline_in_the_future_waits(bus, resources, database):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    database["deadlines"].insert_one({"_id": "reminder/z", "kind": "reminder", "key": "z", "due_at": later})

    unit: UnitOfWork = resources.unit()
    unit.schedule("reminder", "soon", datetime.datetime.now(datetime.UTC), {"why": "x"})
    from touchstone_chassis.unit_of_work.transaction import CompletionRecord
    from touchstone_chassis.unit_of_work.unit import Origin

    resources.committer.commit(unit, Origin(uuid.uuid4().hex), CompletionRecord())

    eventually(lambda: database["things"].find_one({"_id": "soon"}))
    assert database["deadlines"].count_documents({"_id": "reminder/z"}) == 1


def test_a_deadline_that_a_dead_process_had_claimed_is_taken_over_when_the_claim_lapses(toy, database):
    now = datetime.datetime.now(datetime.UTC)
    database["deadlines"].insert_one(
        {
            "_id": "reminder/left",
            "kind": "reminder",
            "key": "left",
            "due_at": now,
            "payload": {"why": "x"},
            "attempt": 1,
            "claim": "somebody",
            "claimed_until": now + datetime.timedelta(seconds=1),
        }
    )

    assert eventually(lambda: database["things"].find_one({"_id": "left"}), within_s=5)


def test_a_claim_lasts_as_long_as_its_handler_and_lapses_soon_after_a_death(
    bus, issuer, database, behaviour, monkeypatch
):
    monkeypatch.setattr(job_queue, "CLAIM", datetime.timedelta(seconds=1))
    begun, go_on = Event(), Event()

    def take_long() -> None:
        begun.send()
        go_on.wait()

    behaviour["d-1#1"] = take_long
    bus.call("remind", issuer.token(), id="d-1", idempotency_key="k")
    begun.wait()
    claimed = database["deadlines"].find_one({})

    renewed = eventually(
        lambda: database["deadlines"].find_one({"claimed_until": {"$gt": claimed["claimed_until"]}}), within_s=10
    )
    go_on.send()

    assert renewed["attempt"] == 1 and renewed["claim"] == claimed["claim"]
    assert eventually(lambda: database["things"].find_one({"_id": "d-1"}))
    assert database["deadlines"].count_documents({}) == 0


def test_the_claims_of_a_dead_process_hold_up_nobody_for_more_than_seven_seconds():
    assert job_queue.CLAIM.total_seconds() + job_queue.POLL_S <= 7
    assert job_queue.CLAIM.total_seconds() > job_queue.RENEW_EVERY_S * 2
