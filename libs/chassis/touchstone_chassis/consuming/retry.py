"""Sends a message that failed to a later retry, or to the dead-letter queue with its reason."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import eventlet
import structlog
from nameko import config
from nameko.extensions import SharedExtension

from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outcome, Outgoing, is_sendable
from touchstone_chassis.consuming.consumer import QueueConsumer
from touchstone_chassis.consuming.decoding import BadMessage
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.fingerprint import fingerprint, has_own_id
from touchstone_chassis.lazy import lazy_dependency
from touchstone_chassis.mongo.circuit_breaker import CircuitBreaker
from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability import metrics
from touchstone_contracts.topology import dead_letter, own_queues, retry_queue

log = structlog.get_logger(__name__)

ATTEMPT = "touchstone-attempt"
NOT_UNDERSTOOD = "touchstone-not-understood"
"""A header of a dead letter: its sender is to blame, and it would be so whenever it came."""
TOKENS = ("nameko.authorization", "authorization", "nameko.auth_token")
"""Headers that leave a message when it is dead-lettered: people look at it, and a token is never stored."""
_THE_BROKERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
DEFERRALS_MAX = 10
"""So often in a row a message is begun again though the database was there: then its failure is like any other."""
RETURNED_MAX = 5
"""So often, a second apart, a copy is published that no queue takes: it holds a worker's place meanwhile."""
TOO_LARGE = "PreconditionFailed"
"""How the broker refuses a copy of ours: of all that it checks on publishing, only the size is not ours to choose."""
COPIES_TO = ("cc", "bcc")
"""Headers by which the broker puts copies into other queues: each retry of each copy would do so again."""
KEPT_PROPERTIES = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "message_id",
    "timestamp",
    "type",
    "app_id",
    "priority",
)


RETRIED, DEFERRED, DEAD_LETTERED = "retried", "put_off", "dead_lettered"
"""What became of a message that was not handled, for the metrics."""


class _Deferrals(NamedTuple):
    """How often in a row a delivery failed for want of a database that had been there since the failure before, and
    how often that database had gone or come by the last one."""

    in_vain: int
    changes: int


def let_go(error: BaseException | None) -> None:
    """Forget where an error that was dealt with came from. Its traceback knows the frames and they know it: in such a
    circle all that is made of a message, however large, would stay in memory until garbage is looked for."""
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


class RetryPolicy(SharedExtension):
    """Retries with backoff, then gives up. A message leaves its queue only when the broker has it elsewhere."""

    consumer = QueueConsumer()
    circuit_breaker: Callable[[], CircuitBreaker]
    """Of the database; said by whoever has one."""

    def __init__(self) -> None:
        self._deferrals: WeakKeyDictionary[Delivery, _Deferrals] = WeakKeyDictionary()

    @lazy_dependency
    def publisher(self) -> ConfirmingPublisher:
        return ConfirmingPublisher(
            config["AMQP_URI"], confirm_timeout_s=config["confirm_timeout_s"], name="touchstone retry policy"
        )

    def stop(self) -> None:
        if "publisher" in self.__dict__:
            self.publisher.close()

    def retry_or_dead_letter(self, delivery: Delivery, error: BaseException) -> str:
        """Try again after the next delay; after the last one, give up. A database that is away counts as no try."""
        let_go(error)
        if is_transient(error):
            self.circuit_breaker().probe().wait()
            return self.defer(delivery, error)
        return self._retry_or_dead_letter(delivery, error)

    def defer(self, delivery: Delivery, error: BaseException) -> str:
        """Begin again when the database is there, without counting it, however often it goes away.

        A transaction that is too long, or a query that is too slow, looks the same from here, and would be begun again
        for ever: one that is taken for such is retried or dead-lettered.
        """
        circuit_breaker = self.circuit_breaker()
        before = self._deferrals.get(delivery)
        in_vain = before.in_vain + 1 if before and before.changes == circuit_breaker.changes else 0
        self._deferrals[delivery] = _Deferrals(in_vain, circuit_breaker.changes)
        if in_vain < DEFERRALS_MAX or delivery.pointless or not circuit_breaker.answers():
            self.consumer.defer(delivery)
            return DEFERRED
        log.warning("database_was_there", queue=delivery.queue, deferrals=in_vain)
        return self._retry_or_dead_letter(delivery, error)

    def suspects(self, delivery: Delivery) -> bool:
        """Whether it failed for want of a database, or perhaps by its own weight: its neighbours should not bear it."""
        return delivery in self._deferrals

    def _retry_or_dead_letter(self, delivery: Delivery, error: BaseException) -> str:
        attempt = attempts_of(delivery)
        delays_s = config["retry_delays_s"]
        if attempt >= len(delays_s):
            return self.dead_letter(delivery, "retries_exhausted", error)
        exchange = retry_queue(self._service, delays_s[attempt])
        log.warning(
            "handler_failed_retrying", queue=delivery.queue, error=type(error).__name__, retry_in_s=delays_s[attempt]
        )
        # The retry queue returns the message to the queue that its routing key names.
        if self._moved(delivery, _copy(delivery, exchange, delivery.queue, delivery.headers | {ATTEMPT: attempt + 1})):
            return RETRIED
        return self.dead_letter(delivery, "not_retried", error)

    def dead_letter(self, delivery: Delivery, reason: str, error: BaseException | str) -> str:
        """Dead-letter at once. `reason` is a code; the headers say who gave up, when, and on what."""
        service = self._service
        now = datetime.datetime.now(datetime.UTC).isoformat()
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        if not isinstance(error, str):
            let_go(error)
        headers = {
            "touchstone-reason": reason,
            "touchstone-error": text[:1000],
            "touchstone-consumer": delivery.queue,
            "touchstone-exchange": delivery.exchange,
            "touchstone-routing-key": delivery.routing_key,
            "touchstone-parked-at": now,
            "touchstone-user-id": delivery.attribute("user_id") or "",
            NOT_UNDERSTOOD: isinstance(error, BadMessage),
            ATTEMPT: attempts_of(delivery),
        }
        log.error("message_dead_lettered", queue=delivery.queue, reason=reason)
        metrics.DEAD_LETTERS.labels(queue=delivery.queue, reason=reason).inc()
        headers = _without_tokens(delivery.headers) | headers
        if not self._moved(delivery, _copy(delivery, dead_letter(service), delivery.queue, headers)):
            delivery.reject()  # the broker moves it, with all its headers and without ours
        return DEAD_LETTERED

    def return_to_queue(self, delivery: Delivery, queue: str) -> bool:
        """Send what the broker gave up back to its queue, as if for the first time.

        False when it cannot be copied or its queue does not take it: tried for ever, it would hold a place that healthy
        queues need. It still waits to be settled then.
        """
        headers = {name: value for name, value in delivery.headers.items() if not str(name).startswith(_THE_BROKERS)}
        message = _copy(delivery, own_queues(self._service), queue, headers)
        if not is_sendable(message):
            return False
        moved = self._moved(delivery, message, insist=False)
        if moved:
            log.warning("message_put_back", queue=queue)
            metrics.PUT_BACK.labels(queue=queue).inc()
        return moved

    @lazy_dependency
    def _service(self) -> str:
        return self.container.service_name

    def _moved(self, delivery: Delivery, message: Outgoing, *, insist: bool = True) -> bool:
        """False when it cannot be copied or there is no queue for it, and it still waits to be settled; else it is
        settled, or stays in its queue.

        Who does not `insist` is told False at once, also when a queue does not take the message.
        """
        returned = 0
        while delivery.whole:
            (outcome,) = self.publisher.publish([message])
            if outcome is Outcome.CONFIRMED:
                delivery.ack()
                return True
            # The broker's limit may have been higher when the message came.
            too_large = outcome is Outcome.UNKNOWN and self.publisher.last_error == TOO_LARGE
            if outcome is Outcome.UNSENDABLE or too_large:
                log.error("message_not_copied", queue=delivery.queue, too_large=too_large)
                return False
            log.warning("message_not_moved", queue=delivery.queue, outcome=outcome.value)
            if delivery.pointless:
                delivery.abandon()  # it stays where it is and is delivered again
                return True
            returned += outcome is Outcome.RETURNED
            if returned == RETURNED_MAX or (not insist and outcome in (Outcome.RETURNED, Outcome.REFUSED)):
                return False
            eventlet.sleep(1)
        return False  # the broker has the rest of it


def attempts_of(delivery: Delivery) -> int:
    attempt = delivery.headers.get(ATTEMPT, 0)
    return attempt if isinstance(attempt, int) and attempt >= 0 else 0


def _copy(delivery: Delivery, exchange: str, routing_key: str, headers: dict[str, Any]) -> Outgoing:
    return Outgoing(
        exchange=exchange,
        routing_key=routing_key,
        body=delivery.body,
        # Where the broker's yes is lost, a second copy goes out sooner or later: it is known by its tag.
        tag=fingerprint(delivery, delivery.queue) if has_own_id(delivery) else uuid.uuid4().hex,
        properties=_kept(delivery),
        headers={name: value for name, value in headers.items() if str(name).lower() not in COPIES_TO},
    )


def _kept(delivery: Delivery) -> dict[str, Any]:
    return {name: delivery.attribute(name) for name in KEPT_PROPERTIES if delivery.attribute(name) is not None}


def _without_tokens(headers: dict[str, Any]) -> dict[str, Any]:
    """For a queue that people look into. A retry needs the token: without it a command would be refused."""
    return {k: v for k, v in headers.items() if str(k).lower() not in TOKENS}
