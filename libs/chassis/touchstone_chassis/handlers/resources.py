"""Assembles what every handler of a service needs: database, committer, relay, retry policy, callers and clock."""

from collections.abc import Sequence
from typing import Any

import structlog
from nameko import config
from nameko.extensions import SharedExtension

from touchstone_chassis.amqp.publisher import ConfirmingPublisher
from touchstone_chassis.auth.signatures import Signatures, Signer
from touchstone_chassis.auth.tokens import Verifier
from touchstone_chassis.consuming.consumer import QueueConsumer
from touchstone_chassis.consuming.poison import PoisonDetector
from touchstone_chassis.consuming.retry import RetryPolicy
from touchstone_chassis.handlers.idempotency import Answers
from touchstone_chassis.health.checks import Checks
from touchstone_chassis.health.database import WritableDatabase
from touchstone_chassis.health.restore import WholeDatabase
from touchstone_chassis.lazy import lazy_dependency
from touchstone_chassis.mongo.circuit_breaker import CircuitBreaker
from touchstone_chassis.mongo.client import Mongo
from touchstone_chassis.mongo.clock import clock_for
from touchstone_chassis.mongo.server_time import DatabaseTime
from touchstone_chassis.outbox.background import BackgroundRelay
from touchstone_chassis.outbox.event_log import EventLog
from touchstone_chassis.outbox.relay import Relay
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.dataloader import DataLoader
from touchstone_chassis.unit_of_work.sequences import DRAWN_AT_ONCE, Sequences
from touchstone_chassis.unit_of_work.unit import Changes, UnitOfWork

log = structlog.get_logger(__name__)


class Resources(SharedExtension):
    """What entrypoints share. Everything is made when first used, after the process was monkey-patched."""

    mongo = Mongo()
    time = DatabaseTime()
    consumer = QueueConsumer()
    retry_policy = RetryPolicy()
    checks = Checks()

    def __init__(self) -> None:
        self.job_listeners: list[Any] = []

    @lazy_dependency
    def clock(self) -> Any:
        return clock_for(config, self.mongo.client, self.time.now)

    @lazy_dependency
    def verifier(self) -> Verifier:
        return Verifier(config["jwks_path"], config["audience"], config["issuers"])

    @lazy_dependency
    def signer(self) -> Signer:
        return Signer.load(config["signing_key_path"])

    @lazy_dependency
    def signatures(self) -> Signatures:
        return Signatures(config["event_keys_path"])

    @lazy_dependency
    def committer(self) -> Committer:
        return Committer(
            self.mongo.database,
            event_time=self.clock.now,
            sign=self.signer.sign,
            committed=self._after_commit,
            now=self.time.now,
        )

    @lazy_dependency
    def relay(self) -> Relay:
        publisher = ConfirmingPublisher(
            config["AMQP_URI"], confirm_timeout_s=config["confirm_timeout_s"], name="touchstone relay"
        )
        self._publisher = publisher
        return Relay(self.mongo.database, publisher, self.signer.sign, self.background_relay.confirmed, self.time.now)

    @lazy_dependency
    def event_log(self) -> EventLog:
        return EventLog(self.mongo.database, self.signer.sign, self.time.now)

    @lazy_dependency
    def background_relay(self) -> BackgroundRelay:
        return BackgroundRelay(
            lambda: self.relay,
            lambda: self.event_log,
            sweep_every_s=config["sweep_interval_s"],
            lag_limit_s=config["outbox_lag_limit_s"],
            doubt=self.circuit_breaker.probe,
        )

    @property
    def service(self) -> str:
        return self.container.service_name

    @property
    def draining(self) -> bool:
        return self.consumer.draining

    @lazy_dependency
    def circuit_breaker(self) -> CircuitBreaker:
        """Of the database: reported lost by whoever found it away."""
        writable = WritableDatabase(lambda: self.mongo.database, known_for_s=0)  # a yes from before it went is no yes
        whole = WholeDatabase(lambda: self.mongo.database)
        return CircuitBreaker(lambda: writable()[0] and whole()[0])

    @lazy_dependency
    def poison(self) -> PoisonDetector:
        return PoisonDetector(self.mongo.database, self.retry_policy, self.circuit_breaker, self.time.now)

    @lazy_dependency
    def answers(self) -> Answers:
        return Answers(self.mongo.database, one_issuer=len(self.verifier.issuers) == 1)

    @lazy_dependency
    def reader(self) -> DataLoader:
        return DataLoader(self.mongo.database)

    @lazy_dependency
    def sequences(self) -> Sequences:
        return Sequences(self.mongo.database, DRAWN_AT_ONCE)

    def unit(self) -> UnitOfWork:
        return UnitOfWork(self.mongo.database, self.reader, self.sequences)

    def setup(self) -> None:
        self.checks.add("outbox_lag", self.background_relay.check_lag)
        whole = WholeDatabase(lambda: self.mongo.database)
        self.checks.add("restore", whole)
        if not whole.known():
            self.circuit_breaker.trip()  # until it answers, and is whole
        self.retry_policy.circuit_breaker = lambda: self.circuit_breaker
        self.consumer.start_only_when(lambda timeout_s: self.circuit_breaker.wait(timeout_s))

    def start(self) -> None:
        self.background_relay.start(self.container.spawn_managed_thread)

    def stop(self) -> None:
        if "background_relay" in self.__dict__:
            self.background_relay.stop(config["confirm_timeout_s"])
        if "circuit_breaker" in self.__dict__:
            self.circuit_breaker.stop()
        if "relay" in self.__dict__:
            self._publisher.close()
        self.mongo.close()

    def _after_commit(self, rows: Sequence[dict], changes: Changes) -> None:
        self.background_relay.put(rows)
        if due := [job for job in changes.scheduled if job["due_at"] <= self.clock.now()]:
            for take in self.job_listeners:
                take(due)
