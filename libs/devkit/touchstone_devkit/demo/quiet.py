"""Looks whether anything is still under way: in queues, outboxes and deadlines that are due."""

import contextlib
import datetime
import time
from typing import Any

import pika.exceptions
from pymongo import MongoClient

from touchstone.provisioning.broker_plan import broker_plan
from touchstone.provisioning.provision import installed_topologies
from touchstone.rpc.blocking import Channel, open_connection
from touchstone_contracts.topology import RETRY_DELAYS_S, dead_letter, retry_queue, unconsumed, unconsumed_records
from touchstone_devkit.eventually import patience
from touchstone_devkit.system.runner import SERVICES

_QUIET_FOR_S = 0.3
_PAUSE_S = 0.1
_PARKED = {"state": "parked"}


def wait_until_quiet(amqp_uri: str, mongo_uri: str, database_prefix: str, *, timeout_s: float = 30) -> None:
    """Returns when nothing has been under way for a moment. Raises TimeoutError naming what still is."""
    begun, quiet_since = time.monotonic(), None
    with Observer(amqp_uri, mongo_uri, database_prefix) as observer:
        while True:
            left, now = observer.under_way(), time.monotonic()
            quiet_since = None if left else quiet_since or now
            if quiet_since and now - quiet_since >= _QUIET_FOR_S:
                return
            if now - begun > timeout_s * patience():
                raise TimeoutError(f"still under way after {now - begun:.0f} s: {left}")
            time.sleep(_PAUSE_S)


class Observer:
    """Counts, without touching anything. Closes its connections at the end of the block."""

    def __init__(self, amqp_uri: str, mongo_uri: str, database_prefix: str) -> None:
        self._amqp_uri = amqp_uri
        self._broker = contextlib.ExitStack()
        self._channel: Channel | None = None
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(mongo_uri)
        self._prefix = database_prefix
        given_up = {name(service) for service in SERVICES for name in (dead_letter, unconsumed, unconsumed_records)}
        self._work_queues = [name for name in broker_plan(installed_topologies()).queues if name not in given_up]
        self._dead_letter_queues = [dead_letter(service) for service in SERVICES]

    def under_way(self) -> dict[str, int]:
        """What is not done yet and how much of it; empty when all is quiet (but for what a handler holds just now)."""
        counted = self._ready(self._work_queues)
        now = datetime.datetime.now(datetime.UTC)
        for service in SERVICES:
            database = self._mongo[f"{self._prefix}_{service}"]
            counted[f"{service} outbox"] = database["outbox"].count_documents({"pending": True})
            counted[f"{service} deadlines"] = database["deadlines"].count_documents({"due_at": {"$lte": now}})
        return {name: count for name, count in counted.items() if count}

    def dead_letters(self) -> dict[str, int]:
        """How many messages each service gave up; only those that are not zero."""
        counted = self._ready(self._dead_letter_queues)
        for service in SERVICES:  # on their way, and kept
            counted[dead_letter(service)] += self.collection(service, "dead_letters").count_documents(_PARKED)
        return {name: count for name, count in counted.items() if count}

    def retrying(self) -> dict[str, int]:
        """How many messages wait to be tried again."""
        queues = [retry_queue(service, delay_s) for service in SERVICES for delay_s in RETRY_DELAYS_S]
        return {name: count for name, count in self._ready(queues).items() if count}

    def collection(self, service: str, name: str) -> Any:
        """A collection of a service's database, to look into."""
        return self._mongo[f"{self._prefix}_{service}"][name]

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.close()
        self._mongo.close()

    def _ready(self, queues: list[str]) -> dict[str, int]:
        """Over the connection of the time before, if it lives."""
        if self._channel:
            with contextlib.suppress(pika.exceptions.AMQPError):
                return _counted(self._channel, queues)
            self._channel = None
            self._broker.close()
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(open_connection(self._amqp_uri, client_name="observer", wait_s=5))
            channel = connection.channel()
            counted = _counted(channel, queues)
            self._channel, self._broker = channel, opened.pop_all()
        return counted


def _counted(channel: Channel, queues: list[str]) -> dict[str, int]:
    return {name: channel.queue_declare(name, passive=True).method.message_count for name in queues}
