"""A service of the ceiling: the least code that does the same durable hops, to show what is left to gain.

    python serve.py assessment|certification|notification

Whatever has arrived while the last group was written becomes the next group: one bulk insert (majority, journal), its
events in one window of confirms, then one ack for all of it, and for submissions the answers. pika's SelectConnection
reads and publishes; one thread writes. It decodes, copies fields and numbers certificates from blocks. It checks
nothing: no token, no form, no rules, and of what is known around an audit it reads the contacts alone, once.
Its documents hold the report, the event that it led to, and the certificate's facts, without the trace of the rules.
"""

import datetime
import functools
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pika
import pymongo
from pika_peers import ACCEPTED, ISSUED, SUBMISSIONS, declare
from pymongo.errors import BulkWriteError
from window import Group, Window

PREFETCH = NUMBERS_AT_ONCE = 1_000
DUPLICATE_KEY = 11000
PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/json")

Document = dict[str, Any]
Delivery = tuple[int, pika.BasicProperties, bytes]


def audits(_: Any, request: Any) -> list[Document]:
    report = request["report"]
    id, now = f"{report['body_id']}.{report['report_id']}".lower(), _now()
    event = {name: value for name, value in report.items() if name not in ("findings", "statements")}
    event |= {"audit_id": id, "accepted_by": "configuration", "accepted_at": now.isoformat()}
    return [{"_id": id, "audit_id": id, "at": now, "event": event, "report": report}]


def certificates(db: Any, audit: Any) -> list[Document]:
    number, now = next(_numbers(db)), _now()
    event = {name: audit[name] for name in ("audit_id", "member_id", "body_id", "entity", "standard", "scope")}
    event |= {"certificate_id": f"certificate-{number}", "number": number, "issued_on": now.date().isoformat()}
    document = {"_id": audit["audit_id"], "audit_id": audit["audit_id"], "number": number, "at": now}
    return [document | {"audit": audit, "event": event}]


def notices(db: Any, issued: Any) -> list[Document]:
    id, now = issued["audit_id"], _now()
    facts = {"audit_id": id, "certificate_number": issued["number"], "state": "pending", "at": now}
    return [{"_id": f"{id}/{c['_id']}", "contact_id": c["_id"], "party": c["party"], **facts} for c in _contacts(db)]


STAGES = {
    "assessment": (SUBMISSIONS, ACCEPTED, "audits", audits),
    "certification": (ACCEPTED, ISSUED, "certificates", certificates),
    "notification": (ISSUED, None, "notices", notices),
}
"""What each service takes, announces and writes, and the documents that it makes of one decoded message."""


class Service:
    """Runs one stage on one connection; everything but the writing happens on the connection's own loop."""

    def __init__(self, name: str) -> None:
        client: Any = pymongo.MongoClient(os.environ["MONGO_URI"], w="majority", journal=True)
        self._db = client[f"{os.environ['BENCH_PREFIX']}_{name}"]
        self._source, self._target, self._collection, self._documents = STAGES[name]
        self._arrived: list[Delivery] = []
        self._to_write: queue.SimpleQueue[list[Delivery] | None] = queue.SimpleQueue()
        self._writing = self._stopping = False
        self._window = Window()
        self._connection = pika.SelectConnection(
            pika.URLParameters(os.environ["AMQP_URI"]),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._events_opened),
            on_open_error_callback=lambda _, error: sys.exit(str(error)),
            on_close_callback=self._closed,
        )

    def run(self) -> None:
        writer = threading.Thread(target=self._write, name="writer")
        writer.start()
        try:
            self._connection.ioloop.start()
        finally:
            self._to_write.put(None)
            writer.join()

    def stop(self, *_: Any) -> None:
        """What is not acknowledged comes again."""
        if not self._stopping:
            self._stopping = True
            self._connection.ioloop.add_callback_threadsafe(self._connection.close)

    def _events_opened(self, channel: Any) -> None:
        self._events = channel
        channel.add_on_close_callback(self._closed)
        channel.confirm_delivery(self._on_confirm)
        self._connection.channel(on_open_callback=self._consuming_opened)

    def _consuming_opened(self, channel: Any) -> None:
        self._consuming = channel
        channel.add_on_close_callback(self._closed)
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(self._source, self._on_message, callback=lambda _: print("ready", flush=True))

    def _closed(self, closed: Any, reason: Any) -> None:
        if not self._stopping:
            sys.exit(f"The connection is lost: {reason}")
        if closed is self._connection:
            self._connection.ioloop.stop()

    def _on_message(self, _: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self._arrived.append((method.delivery_tag, properties, body))
        self._write_next()

    def _write_next(self) -> None:
        if self._arrived and not self._writing:
            self._writing = True
            arrived, self._arrived = self._arrived, []
            self._to_write.put(arrived)

    def _write(self) -> None:
        """The writer's thread."""
        while (deliveries := self._to_write.get()) is not None:
            try:
                announce = functools.partial(self._announce, self._written(deliveries))
            except Exception as error:  # the group is not acknowledged and comes again, to another process
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                announce = self._connection.close
            self._connection.ioloop.add_callback_threadsafe(announce)

    def _written(self, deliveries: list[Delivery]) -> Group:
        made = [self._documents(self._db, orjson.loads(body)) for _, _, body in deliveries]
        documents = [document for of_one in made for document in of_one]
        _insert(self._db[self._collection], documents)
        if self._target is None:
            return Group(deliveries[-1][0], [], [])
        answers = [
            (asked, orjson.dumps({"audit_id": of_one[0]["audit_id"]}))
            for (_, asked, _), of_one in zip(deliveries, made, strict=True)
            if asked.reply_to
        ]
        return Group(deliveries[-1][0], [orjson.dumps(document["event"]) for document in documents], answers)

    def _announce(self, group: Group) -> None:
        for event in group.events:
            self._events.basic_publish("", self._target, event, PERSISTENT)
        self._window.announced(group)
        self._writing = False
        self._write_next()
        self._finish()

    def _on_confirm(self, frame: Any) -> None:
        if not isinstance(frame.method, pika.spec.Basic.Ack):
            sys.exit("The broker refused an event.")
        self._window.confirmed(frame.method.delivery_tag, multiple=frame.method.multiple)
        self._finish()

    def _finish(self) -> None:
        """Answer the requests of all groups that are confirmed; one ack for all of them."""
        groups = self._window.finished()
        for asked, answer in (answer for group in groups for answer in group.answers):
            properties = pika.BasicProperties(correlation_id=asked.correlation_id)
            self._consuming.basic_publish("", asked.reply_to, answer, properties)
        if groups:
            self._consuming.basic_ack(groups[-1].last, multiple=True)


def _insert(collection: Any, documents: list[Document]) -> None:
    """Write what is not there yet. A document that is there already announces what it announced the first time."""
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if any(fault["code"] != DUPLICATE_KEY for fault in error.details["writeErrors"]):
            raise
        there = {"_id": {"$in": [fault["op"]["_id"] for fault in error.details["writeErrors"]]}}
        known = {document["_id"]: document for document in collection.find(there, {"event": 1})}
        for document in documents:
            document.update(known.get(document["_id"], {}))


@functools.cache
def _contacts(db: Any) -> list[Document]:
    return list(db.contacts.find())


@functools.cache
def _numbers(db: Any) -> Iterator[int]:
    """Certificate numbers that nobody else gets; those of a block that is not used up are lost."""

    def drawn() -> Iterator[int]:
        which, more = {"_id": "certificates"}, {"$inc": {"n": NUMBERS_AT_ONCE}}
        while True:
            after = pymongo.ReturnDocument.AFTER
            last = db.sequences.find_one_and_update(which, more, upsert=True, return_document=after)["n"]
            yield from range(last - NUMBERS_AT_ONCE + 1, last + 1)

    return drawn()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def main() -> None:
    declare()
    service = Service(sys.argv[1])
    signal.signal(signal.SIGTERM, service.stop)
    service.run()


if __name__ == "__main__":
    main()
