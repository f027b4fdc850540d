"""The outbox: what is committed reaches the broker, whatever is away at that moment."""

import datetime
import json
import uuid
from typing import Any

import eventlet
import pytest

from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outcome, Outgoing
from touchstone_chassis.outbox.relay import Relay
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import Clash, CompletionRecord, IndexViolated
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.events.membership import ContactChanged, OrganisationRegistered
from touchstone_contracts.values import Party, PartyKind
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import unsigned

HEARD = "listener.membership.organisation_registered.v1"


def _registered(id: str) -> OrganisationRegistered:
    return OrganisationRegistered(member_id=id, legal_name=id, member_class="PT", country="DE")


def _save(
    resources: Any, committed: Any, id: str, event: Any = None, label: str | None = None, version: int = 0
) -> None:
    unit = resources.unit()
    unit.save("things", {"_id": id, "version": version, "label": label or id}, [event or _registered(id)])
    Committer(
        resources.mongo.database, event_time=resources.clock.now, sign=resources.signer.sign, committed=committed
    ).commit(unit, Origin(uuid.uuid4().hex), CompletionRecord())


def _crash(*_: Any) -> None:
    """Stands for a process that dies right after its commit: nobody hands the rows to the relay."""


def test_what_a_crash_left_behind_is_swept(resources, bus, database):
    _save(resources, _crash, "t-1")

    assert bus.take(HEARD) is None
    assert eventually(lambda: bus.take(HEARD), within_s=15)
    assert eventually(lambda: database["events"].find_one())["published_at"]
    assert database["outbox"].count_documents({}) == 0


def test_an_event_that_no_queue_takes_stays_in_the_outbox_and_is_delivered_when_one_does(resources, bus, database):
    bus.channel.queue_unbind(HEARD, "membership.events", "organisation_registered.v1")
    bus.channel.queue_unbind("membership.unconsumed", "membership.unconsumed", "")
    _save(resources, resources._after_commit, "t-1")
    eventually(lambda: (database["outbox"].find_one() or {}).get("last_outcome") == "returned")

    bus.channel.queue_bind(HEARD, "membership.events", "organisation_registered.v1")

    assert eventually(lambda: bus.take(HEARD), within_s=15)


def test_an_event_that_nobody_consumes_is_kept_aside_and_is_no_alarm(resources, bus, database):
    contact = ContactChanged(
        contact_id="c-1",
        party=Party(kind=PartyKind.MEMBER, id="m"),
        name="N",
        address="n@example.org",
        roles=[],
        language="en",
        channels=["email"],
    )
    unit = resources.unit()
    unit.save("things", {"_id": "c-1", "version": 0, "label": "c"}, [contact])

    resources.committer.commit(unit, Origin("cor"), CompletionRecord())

    assert eventually(lambda: bus.take("membership.unconsumed"))
    kept = eventually(lambda: database["events"].find_one())
    assert not {"body", "signature"} & kept.keys() and kept["time"], "a contact's address leaves with the confirm"
    assert database["outbox"].count_documents({}) == 0


def test_a_version_clash_writes_nothing_at_all(resources, database):
    _save(resources, _crash, "t-1")

    with pytest.raises(Clash):
        _save(resources, _crash, "t-1", label="other")

    assert database["outbox"].count_documents({}) == 1
    assert database["things"].find_one()["label"] == "t-1"


def test_a_unique_index_that_is_violated_writes_nothing_at_all(resources, database):
    _save(resources, _crash, "t-1", label="same")

    with pytest.raises(IndexViolated):
        _save(resources, _crash, "t-2", label="same")

    assert database["outbox"].count_documents({}) == 1


def test_all_racers_but_one_lose_and_leave_no_event(resources, database):
    def race(number: int) -> bool:
        try:
            _save(resources, _crash, "t-1", label=f"racer-{number}")
            return True
        except Clash:
            return False

    pool = eventlet.GreenPool()

    assert sum(pool.imap(race, range(8))) == 1
    assert database["outbox"].count_documents({}) == 1


def test_a_publisher_tells_confirmed_from_returned_and_survives_a_broken_connection(settings, bus):
    publisher = ConfirmingPublisher(settings["AMQP_URI"], confirm_timeout_s=3)
    good = Outgoing("", HEARD, b"{}", tag="a")
    lost = Outgoing("", "no-such-queue", b"{}", tag="b")

    assert publisher.publish([good, lost, Outgoing("", HEARD, b"{}", tag="c")]) == [
        Outcome.CONFIRMED,
        Outcome.RETURNED,
        Outcome.CONFIRMED,
    ]
    publisher._connection.transport.close()
    assert publisher.publish([good]) == [Outcome.UNKNOWN]
    assert publisher.publish([good]) == [Outcome.CONFIRMED]
    publisher.close()


def test_what_a_queue_refuses_is_tried_once_more_on_a_new_channel(settings, bus):
    limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
    full = bus.channel.queue_declare("", auto_delete=True, arguments=limits).method.queue
    empty = bus.channel.queue_declare("", auto_delete=True).method.queue
    publisher = ConfirmingPublisher(settings["AMQP_URI"], confirm_timeout_s=3)
    messages = [Outgoing("", full, b"{}", tag="fills it"), Outgoing("", full, b"{}", tag="too much")]

    outcomes = publisher.publish(messages[:1])
    first = publisher._connection
    outcomes += publisher.publish([*messages[1:], Outgoing("", empty, b"{}", tag="good")])

    assert outcomes == [Outcome.CONFIRMED, Outcome.REFUSED, Outcome.CONFIRMED]
    assert publisher._connection is not first
    publisher.close()


def test_a_broker_that_is_away_costs_an_unknown_and_nothing_else(database):
    publisher = ConfirmingPublisher("amqp://guest:guest@127.0.0.1:1/", confirm_timeout_s=1)
    database["outbox"].insert_one(
        {
            "_id": "r",
            "exchange": "membership.events",
            "routing_key": "organisation_registered.v1",
            "type": "membership.organisation_registered.v1",
            "body": json.dumps({}).encode(),
            "correlation_id": "c",
            "personal": False,
            "pending": True,
            "attempts": 0,
        }
    )

    Relay(database, publisher, unsigned, confirmed=_crash).publish([database["outbox"].find_one({"_id": "r"})])

    assert publisher.last_error
    assert database["outbox"].find_one({"_id": "r"})["pending"] is True


@pytest.mark.parametrize(
    "bad",
    [
        Outgoing("", HEARD, b"{}", tag="bad", properties={"correlation_id": "x" * 300}),
        Outgoing("", HEARD, b"{}", tag="bad", headers={"number": 2**70}),
        Outgoing("", HEARD, b"{}", tag="bad", headers={"large": "x" * 200_000}),
    ],
    ids=["a property too long", "a header that is no AMQP", "headers too large for a frame"],
)
def test_a_message_that_cannot_be_written_spoils_no_other_of_its_window(bad, settings, bus):
    publisher = ConfirmingPublisher(settings["AMQP_URI"], confirm_timeout_s=3)
    good = [Outgoing("", HEARD, b"{}", tag="a"), Outgoing("", HEARD, b"{}", tag="c")]

    outcomes = publisher.publish([good[0], bad, good[1]])

    assert outcomes == [Outcome.CONFIRMED, Outcome.UNSENDABLE, Outcome.CONFIRMED]
    publisher.close()


@pytest.mark.parametrize("error", [eventlet.Timeout(), ValueError("broken")], ids=repr)
def test_a_relay_that_fails_goes_on_with_the_next_event_and_the_sweep_takes_the_first(
    error, resources, bus, database, monkeypatch
):
    original, errors = Relay.publish, [error, error]

    def broken(*args: Any) -> Any:
        if errors:
            raise errors.pop()
        return original(*args)

    monkeypatch.setattr(Relay, "publish", broken)
    _save(resources, resources._after_commit, "t-1")
    eventually(lambda: len(errors) == 1)
    database["outbox"].update_many({}, {"$set": {"next_attempt_at": datetime.datetime.now(datetime.UTC)}})
    eventually(lambda: not errors)

    _save(resources, resources._after_commit, "t-2")

    assert {json.loads(eventually(lambda: bus.take(HEARD))[1])["subject"] for _ in range(2)} == {"t-1", "t-2"}


def test_an_absent_broker_is_asked_once_a_sweep_however_much_waits(resources, database, monkeypatch):
    published = []
    publisher = ConfirmingPublisher("amqp://guest:guest@127.0.0.1:1/", confirm_timeout_s=1)
    monkeypatch.setattr(publisher, "publish", lambda m: published.append(len(m)) or [Outcome.UNKNOWN] * len(m))
    now = datetime.datetime.now(datetime.UTC)
    _save(resources, _crash, "t-1")
    row = database["outbox"].find_one()
    database["rows"].insert_many([row | {"_id": f"r-{n}", "next_attempt_at": now} for n in range(500)])
    relay = Relay(database, publisher, unsigned, confirmed=_crash)
    relay._outbox = relay._marks = database["rows"]

    assert relay.sweep() == 0

    assert published == [200]
    assert database["rows"].count_documents({"attempts": 1, "last_outcome": "unknown"}) == 200
    assert Relay(database, publisher, unsigned, confirmed=_crash)._lease.take(), "another replica may try at once"


def test_the_oldest_that_waits_is_seen_though_it_is_due_later_than_others(resources, database):
    now = datetime.datetime.now(datetime.UTC)
    for name, age_s, due_in_s in (("refused", 120, 50), ("fresh", 1, 4)):
        recorded_at, due = now - datetime.timedelta(seconds=age_s), now + datetime.timedelta(seconds=due_in_s)
        database["outbox"].insert_one(
            {"_id": name, "pending": True, "recorded_at": recorded_at, "next_attempt_at": due}
        )

    count, age_s = resources.relay.pending()
    ok, detail = resources.background_relay.check_lag()

    assert count == 2 and 119 <= age_s < 150
    assert not ok and detail.startswith("2 unpublished, oldest 12") and "runbook outbox-lag" in detail
