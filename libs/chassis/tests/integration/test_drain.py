"""Stopping: what was started ends and is acknowledged; what was not started is left for others."""

import uuid
from typing import Any

import eventlet
import nameko
import pika
from pymongo import MongoClient

from touchstone_chassis.scheduling.job_queue import JobQueue
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import event_queue

QUEUE = event_queue("toy", BodyAccredited.type_name)


def _an_accreditation(body_id: str) -> dict:
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "type": BodyAccredited.type_name,
        "source": "/touchstone/assessment",
        "subject": body_id,
        "time": "2026-01-01T00:00:00+00:00",
        "sequence": 1,
        "correlationid": "c",
        "data": {
            "body_id": body_id,
            "name": "B",
            "standards": [],
            "countries": [],
            "activities": [],
            "valid_from": "2026-01-01",
            "valid_until": "2026-01-01",
        },
    }


def test_a_stop_redelivers_nothing_that_was_started(settings, bus, toy, resources, behaviour, runs):
    started = eventlet.queue.Queue()
    for number in range(4):
        behaviour[f"b-{number}"] = lambda: (started.put(1), eventlet.sleep(1))
        bus.publish_event(_an_accreditation(f"b-{number}"))
    for _ in range(4):
        started.get(timeout=10)

    toy.stop()

    with pika.BlockingConnection(pika.URLParameters(settings["AMQP_URI"])) as connection:
        assert connection.channel().queue_declare(QUEUE, passive=True).method.message_count == 0
    assert sorted(runs) == ["b-0", "b-1", "b-2", "b-3"]


def test_a_stop_publishes_what_the_last_handlers_announced(settings, bus, toy):
    for number in range(5):
        bus.publish_event(_an_accreditation(f"b-{number}"))
    eventlet.sleep(0.3)

    toy.stop()

    with pika.BlockingConnection(pika.URLParameters(settings["AMQP_URI"])) as connection:
        channel = connection.channel()
        left = channel.queue_declare(QUEUE, passive=True).method.message_count
        heard = channel.queue_declare(
            "listener.membership.organisation_registered.v1", passive=True
        ).method.message_count
    assert left + heard == 5


def test_a_stop_runs_the_deadline_that_was_being_claimed(toy, bus, issuer, database, monkeypatch):
    claiming, original = eventlet.event.Event(), JobQueue._claim

    def linger(runner: JobQueue, limit: int) -> Any:
        claimed, more = original(runner, limit)
        if claimed:
            claiming.send()
            eventlet.sleep(1)
        return claimed, more

    monkeypatch.setattr(JobQueue, "_claim", linger)
    bus.call("remind", issuer.token(), id="d-1", idempotency_key="k")
    claiming.wait()

    toy.stop()

    with MongoClient(nameko.config["MONGO_URI"]) as client:
        left = client[database.name]
        assert left["deadlines"].count_documents({}) == 0
        assert left["things"].find_one({"_id": "d-1"})
