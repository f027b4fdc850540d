"""Collects what comes into a service's dead-letter queue: into its database, or back to the queue it came from."""

from collections.abc import Callable
from typing import Any

import structlog
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.amqp.connections import UNREADABLE
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.retry import KEPT_PROPERTIES
from touchstone_chassis.deadletters.letter import QUEUE_GONE, DeadLetter, queue_of, reason_of
from touchstone_chassis.deadletters.repository import DeadLetters
from touchstone_chassis.handlers.entrypoint import Invocation, MessageEntrypoint, handled_by
from touchstone_chassis.handlers.execution import Deferred, Execution
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability import metrics
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.topology import dead_letter

log = structlog.get_logger(__name__)


class DeadLettersProvider(DependencyProvider):
    """Gives a worker the DeadLetters of its service, in the worker's unit of work."""

    resources = Resources()

    def get_dependency(self, worker_ctx: Any) -> DeadLetters:
        unit = worker_ctx.args[0].unit
        return DeadLetters(unit, self.resources.service, self.resources.consumer.consumes, config["message_bytes_max"])


class DeadLetterExecution(Execution):
    """Keeps one message; kept twice it is one document."""

    def __init__(self, invocation: Invocation, method: Callable[..., Any], letter: DeadLetter):
        super().__init__(invocation.entrypoint.resources, invocation.unit, Origin(""))
        self._method, self._letter = method, letter

    def attempt(self) -> None:
        self._method(self._letter)


class OnDeadLetter(MessageEntrypoint):
    """Takes what comes into the service's dead-letter queue. Acknowledged when it is durably kept, and only then.

    What the broker gave up though no handler was at fault goes back to its queue. Here nothing is dead-lettered.
    """

    def setup(self) -> None:
        self.resources.consumer.register(dead_letter(self.resources.service), self.spawn, last_stop=True)

    def handle(self, invocation: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = invocation.subject
        structlog.contextvars.clear_contextvars()
        letter = letter_of(delivery)
        try:
            if self._is_innocent(delivery, letter) and self._returned(delivery, letter):
                return
            DeadLetterExecution(invocation, method, letter).run()
        except Deferred:
            self.resources.consumer.defer(delivery)
            return
        except Exception as error:
            if is_transient(error):
                self.resources.circuit_breaker.trip()
                self.resources.consumer.defer(delivery)
                return
            # Rejected, it would be lost: it stays in the queue until the connection closes, and comes again.
            log.error("dead_letter_not_kept", error=type(error).__name__, exc_info=error)
            delivery.abandon()
            return
        delivery.ack()
        metrics.DEAD_LETTERS_KEPT.labels(service=self.resources.service).inc()

    def broke(self, invocation: Invocation, error: BaseException) -> None:
        invocation.subject.abandon()

    def _returned(self, delivery: Delivery, letter: DeadLetter) -> bool:
        return self.resources.retry_policy.return_to_queue(delivery, queue_of(letter) or "")

    def _is_innocent(self, delivery: Delivery, letter: DeadLetter) -> bool:
        """Whether it was only near when processes died: the broker counts each time that it was handed out. Or its
        queue was not there when its retry was due, and may be by now."""
        queue, reason = queue_of(letter), reason_of(letter)
        consumer = self.resources.consumer
        if reason not in ("delivery_limit", QUEUE_GONE) or queue is None or not consumer.consumes(queue):
            return False
        if consumer.takes_calls(queue):  # its routing key, which named the method, is gone; and nobody waits any more
            return False
        return reason == QUEUE_GONE or not self.resources.poison.blames(delivery, queue)


def letter_of(delivery: Delivery) -> DeadLetter:
    """A delivery of the dead-letter queue as what it was when it was dead-lettered."""
    properties = {name: delivery.attribute(name) for name in KEPT_PROPERTIES}
    known = {name: value for name, value in properties.items() if value is not None}
    too_large = delivery.size > config["message_bytes_max"]
    return DeadLetter(delivery.body, delivery.headers, known, delivery.attribute(UNREADABLE), too_large)


def on_dead_letter() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle what the service gave up: the method gets the DeadLetter."""
    return handled_by(OnDeadLetter())
