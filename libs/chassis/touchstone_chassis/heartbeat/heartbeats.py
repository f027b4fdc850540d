"""Sends a service's heartbeats, hears those of its producers, and knows whether it has handled all that they count."""

import contextlib
import datetime
import functools
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import eventlet
import orjson
import structlog
from eventlet.event import Event
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from nameko import config
from nameko.extensions import SharedExtension
from pymongo.errors import DuplicateKeyError

from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outgoing
from touchstone_chassis.auth.signatures import NotSigned
from touchstone_chassis.consuming.decoding import BadMessage, json_object, text_header
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.handlers.events import handlers_of
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.heartbeat import counts
from touchstone_chassis.heartbeat.standing import Heartbeat, Lag, Standing, standings
from touchstone_chassis.lazy import lazy_dependency
from touchstone_chassis.observability import metrics
from touchstone_chassis.outbox.lease import Lease
from touchstone_contracts.bookkeeping import DEAD_LETTERS, HEARTBEATS, INBOX
from touchstone_contracts.envelope import SIGNATURE
from touchstone_contracts.moments import Moment
from touchstone_contracts.registry import name_of
from touchstone_contracts.topology import heard_from, heartbeats

log = structlog.get_logger(__name__)

EVERY_S = 2.0
LOOKED_BACK = 5_000
CLOCKS_APART = datetime.timedelta(seconds=0.5)
"""So far two processes may read the database's clock apart: what was committed then is counted for certain."""
_LOOKS_EVERY_S = 0.1
TRANSIENT = 1
"""AMQP's delivery mode of what need not outlive the broker."""


class _Body(Schema):
    class Meta:
        unknown = EXCLUDE

    producer = fields.String(required=True)
    at = Moment(required=True)
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(strict=True), required=True)


class Heartbeats(SharedExtension):
    """Of one service: as a producer it says what it has committed, as a consumer it compares."""

    resources = Resources()

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {}
        self.parked: dict[str, int] = {}
        self.settled: set[str] = set()
        """Producers whose events are all counted here: from the first one on, or since a backfill."""
        self._stopped = Event()

    @lazy_dependency
    def handlers(self) -> Mapping[str, str]:
        found: dict[str, str] = handlers_of(self.container.service_cls)
        return found

    @lazy_dependency
    def publisher(self) -> ConfirmingPublisher:
        return ConfirmingPublisher(
            config["AMQP_URI"], confirm_timeout_s=config["confirm_timeout_s"], name="touchstone heartbeat"
        )

    def setup(self) -> None:
        self.standings = standings(map(name_of, self.handlers))
        if self.standings:
            self.resources.consumer.register(heard_from(self.resources.service), self._take)
            self.resources.checks.add("in_step", self.check)

    def start(self) -> None:
        self.container.spawn_managed_thread(self._run, identifier="heartbeat")

    def stop(self) -> None:
        if not self._stopped.ready():
            self._stopped.send()
        if "publisher" in self.__dict__:
            self.publisher.close()

    def check(self) -> tuple[bool, str]:
        """For readiness: fails when events are lacking for long, and nothing that is parked explains it."""
        behind = [s for s in self.standings.values() if s.lacking and s.behind_since]
        if not behind:
            return True, "; ".join(map(self._sentence, self.standings.values()))
        now = self.resources.time.now()
        late = [standing for standing in behind if self._is_late(standing, now)]
        unexplained = [s for s in late if any(n > self.parked.get(name, 0) for name, n in s.lacking.items())]
        return not unexplained, "; ".join(map(self._sentence, behind))

    def lag(self, producer: str) -> Lag | None:
        """None where all is handled here that the producer had committed a moment ago, or nobody counts: what is not
        known here is then not known there."""
        standing, now = self.standings[producer], self.resources.time.now()
        if producer not in self.settled or standing.is_in_step(now):
            return None
        since = standing.in_step_at or standing.behind_since or now
        what = f"lacks {self._lacking(standing)}" if standing.lacking else "has heard nothing since"
        limit = datetime.timedelta(seconds=config["in_step_limit_s"])
        return Lag(f"{producer}: not in step since {since:%H:%M:%S}, {what}", late=now - since > limit)

    def now(self) -> datetime.datetime:
        """The moment by the clock that heartbeats go by, which no sandbox moves."""
        moment: datetime.datetime = self.resources.time.now()
        return moment

    def has_handled(self, producer: str, moment: datetime.datetime) -> bool:
        """Whether all is handled here that the producer had committed at that moment, as far as that is known: what is
        not known here then was not known there."""
        in_step_at = self.standings[producer].in_step_at
        return producer in self.settled and in_step_at is not None and in_step_at >= moment + CLOCKS_APART

    def wait_for(self, producer: str, known: Callable[[], bool], *, within_s: float) -> None:
        """Until something is known here, or all that the producer had committed when this was asked is handled here;
        not longer than `within_s`."""
        asked_at, until = self.now(), time.monotonic() + within_s
        while time.monotonic() < until and not (self.has_handled(producer, asked_at) or known()):
            eventlet.sleep(_LOOKS_EVERY_S)

    def _is_late(self, standing: Standing, now: datetime.datetime) -> bool:
        limit = datetime.timedelta(seconds=config["in_step_limit_s"])
        since = standing.behind_since
        return standing.producer in self.settled and since is not None and now - since > limit

    def _others_handle(self) -> bool:
        """Whether among what was handled last is something that nobody counts: a release before this one runs beside
        it, or did a moment ago."""
        last = {"sort": [("expires_at", -1)], "limit": LOOKED_BACK}
        found = self.resources.mongo.database[INBOX].find({}, {"counted": 1, "backfill": 1}, **last)
        handlers = {f"{self.resources.service}.{handler}" for handler in self.handlers.values()}
        return any(
            "counted" not in document and "backfill" not in document and document["_id"].partition("/")[0] in handlers
            for document in found
        )

    def _sentence(self, standing: Standing) -> str:
        if standing.heard_at is None:
            return f"{standing.producer}: not heard yet"
        if standing.producer not in self.settled:
            return f"{standing.producer}: not counted before a backfill, runbook fill-a-service"
        if not standing.lacking or standing.behind_since is None:
            return f"{standing.producer}: in step at {standing.in_step_at or standing.heard_at:%H:%M:%S}"
        return (
            f"{standing.producer}: not in step since {standing.behind_since:%H:%M:%S}, lacks {self._lacking(standing)}"
        )

    def _lacking(self, standing: Standing) -> str:
        return ", ".join(
            f"{count} {name}" + (f" ({self.parked[name]} parked)" if self.parked.get(name) else "")
            for name, count in sorted(standing.lacking.items())
        )

    def _run(self) -> None:
        while not self._stopped.ready():
            for act in (self._beat, self._tally, self._look):
                try:
                    act()
                except (Exception, eventlet.Timeout) as error:  # broker or database away: at the next turn
                    log.info("heartbeat_missed", act=act.__name__, error=type(error).__name__)
            with eventlet.Timeout(EVERY_S, False):
                self._stopped.wait()

    def _beat(self) -> None:
        service = self.resources.service
        at = self.now().isoformat()  # before it counts: all that was committed by then is among what it counts
        counted = counts.committed(self.resources.mongo.database)
        if counted is None:
            return  # the broker is away, or was
        body = orjson.dumps({"producer": service, "at": at, "counts": counted})
        (signature,) = self.resources.signer.sign([body])
        properties = {"content_type": "application/json", "delivery_mode": TRANSIENT}
        beat = Outgoing(heartbeats(service), "", body, "heartbeat", properties, {SIGNATURE: signature})
        self.publisher.publish([beat])

    def _tally(self) -> None:
        """What is due is tallied by one replica."""
        if not self.standings or not self._lease.take():
            return
        database = self.resources.mongo.database
        while counts.tally(database, self.handlers, self.resources.service) >= counts.TALLIED_AT_ONCE:
            eventlet.sleep(0)

    @lazy_dependency
    def _lease(self) -> Lease:
        return Lease(self.resources.mongo.database, "tally", self.resources.time.now)

    def _look(self) -> None:
        if not self.standings:
            return
        database, now = self.resources.mongo.database, self.resources.time.now()
        heard = list(database[HEARTBEATS].find())
        handled = counts.handled(database)
        self.settled = {document["_id"] for document in heard if document["settled"]}
        for document in heard:
            if document["_id"] in self.standings:
                self.standings[document["_id"]].look(Heartbeat.stored(document), handled)
        if any(self._is_late(standing, now) for standing in self.standings.values()) and self._others_handle():
            database[HEARTBEATS].update_many({}, {"$set": {"settled": False}})
            self.settled = set()
        behind = any(standing.lacking for standing in self.standings.values())
        self.parked = _parked(database) if behind else {}
        for standing in self.standings.values():
            since = standing.in_step_at
            age_s = (now - since).total_seconds() if since else float("inf")
            metrics.IN_STEP_AGE_S.labels(producer=standing.producer).set(age_s)
            metrics.EVENTS_LACKING.labels(producer=standing.producer).set(sum(standing.lacking.values()))

    def _take(self, delivery: Delivery) -> None:
        self.container.spawn_managed_thread(functools.partial(self._hear, delivery), identifier="hear")

    def _hear(self, delivery: Delivery) -> None:
        """Heartbeats are not kept: one that cannot be read, or comes while the database is away, is forgotten."""
        try:
            beat = _Body().load(json_object(delivery.body))
            if beat["producer"] in self.standings:
                signature = text_header(delivery, SIGNATURE)
                self.resources.signatures.check(signature, delivery.body, (beat["producer"],))
                self._note(beat)
        except (BadMessage, NotSigned, ValidationError) as error:
            log.warning("heartbeat_not_taken", error=type(error).__name__)
        except Exception as error:
            log.info("heartbeat_not_noted", error=type(error).__name__)
        finally:
            delivery.ack()
            self.resources.consumer.release(delivery)

    def _note(self, beat: dict[str, Any]) -> None:
        names = self.standings[beat["producer"]].names
        noted = {
            "at": beat["at"].astimezone(datetime.UTC),
            "counts": [[name, beat["counts"].get(name, 0)] for name in names],
        }
        known = self.resources.mongo.database[HEARTBEATS]
        older = {"_id": beat["producer"], "at": {"$lt": noted["at"]}}
        if known.update_one(older, {"$set": noted}).matched_count or known.find_one({"_id": beat["producer"]}):
            return
        with contextlib.suppress(DuplicateKeyError):  # another replica heard one at this moment
            known.insert_one({"_id": beat["producer"], **noted, "settled": self._counts_all(names)})

    def _counts_all(self, names: Any) -> bool:
        """Whether nothing was handled here by the release before, which did not count."""
        handlers = {handler for type_name, handler in self.handlers.items() if name_of(type_name) in names}
        keys = "|".join(re.escape(f"{self.resources.service}.{handler}/") for handler in sorted(handlers))
        uncounted = {"_id": {"$regex": f"^({keys})"}, "counted": {"$exists": False}}
        return self.resources.mongo.database[INBOX].find_one(uncounted, {"_id": 1}) is None


def _parked(database: Any) -> dict[str, int]:
    """How many events of each name are dead letters that somebody has still to see to."""
    found = database[DEAD_LETTERS].aggregate(
        [{"$match": {"state": "parked"}}, {"$group": {"_id": "$event_type", "n": {"$sum": 1}}}]
    )
    counted: dict[str, int] = {}
    for group in found:
        if group["_id"]:
            counted[name_of(group["_id"])] = counted.get(name_of(group["_id"]), 0) + group["n"]
    return counted
