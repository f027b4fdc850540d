"""Adapts our entrypoints to nameko's workers: one argument, the invocation, whose entrypoint handles it."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import eventlet
import structlog
from nameko.extensions import Entrypoint, register_entrypoint

from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.handlers.tracing import message_span
from touchstone_chassis.observability import tracing
from touchstone_chassis.unit_of_work.unit import UnitOfWork

log = structlog.get_logger(__name__)


@dataclasses.dataclass
class Invocation:
    """What a worker was started for: a message or a job, with its own unit of work."""

    entrypoint: "EntrypointAdapter"
    subject: Any
    unit: UnitOfWork


class EntrypointAdapter(Entrypoint):
    """An entrypoint that runs the service's method for an invocation, and settles it itself, whatever happens."""

    resources = Resources()

    def spawn(self, subject: Any) -> None:
        """Start a worker; waits while all workers are busy."""
        self.container.spawn_worker(self, (Invocation(self, subject, self.resources.unit()),), {})

    def admitted(self, invocation: Invocation) -> contextlib.AbstractContextManager[bool]:
        """Whether to handle it, and what is to surround that."""
        return contextlib.nullcontext(True)

    def span(self, invocation: Invocation) -> contextlib.AbstractContextManager[None]:
        """What a trace shows of it."""
        return tracing.NOTHING

    def handle(self, invocation: Invocation, method: Callable[..., Any], service: Any) -> None:
        """Run `method` (bound to the service instance) and settle the invocation. Should not raise."""
        raise NotImplementedError

    def broke(self, invocation: Invocation, error: BaseException) -> None:
        """Settle what `handle` left unsettled by raising: nameko would, and the message would hold its slot."""
        raise NotImplementedError

    def ended(self, invocation: Invocation) -> None:
        """The worker has ended."""


class MessageEntrypoint(EntrypointAdapter):
    """An entrypoint for messages, which settles each by itself."""

    def stop(self) -> None:
        self.resources.consumer.drain()

    def span(self, invocation: Invocation) -> contextlib.AbstractContextManager[None]:
        return message_span(invocation.subject)

    def ended(self, invocation: Invocation) -> None:
        self.resources.consumer.release(invocation.subject)


class RetriedEntrypoint(MessageEntrypoint):
    """An entrypoint for messages: one that fails is tried again, one that ends the process again and again is
    dead-lettered."""

    def spawn(self, subject: Any) -> None:
        invocation = Invocation(self, subject, self.resources.unit())
        invocation.unit.suspect = self.resources.retry_policy.suspects(subject)
        self.container.spawn_worker(self, (invocation,), {})

    def admitted(self, invocation: Invocation) -> contextlib.AbstractContextManager[bool]:
        return self.resources.poison.watched(invocation.subject)

    def broke(self, invocation: Invocation, error: BaseException) -> None:
        delivery: Delivery = invocation.subject
        if not delivery.settled:
            self.resources.retry_policy.retry_or_dead_letter(delivery, error)


def handled_by(entrypoint: EntrypointAdapter) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a service method the handler of `entrypoint`. The plain method stays reachable as `__wrapped__`."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def work(service: Any, invocation: Invocation) -> None:
            adapter = invocation.entrypoint
            try:
                with adapter.admitted(invocation) as admitted:
                    if admitted:
                        with adapter.span(invocation):
                            adapter.handle(invocation, functools.partial(method, service), service)
            except eventlet.greenlet.GreenletExit:  # the container is being killed
                raise
            except BaseException as error:  # a timer that a handler forgot may go off anywhere
                log.error("work_broke", method=adapter.method_name, error=type(error).__name__, exc_info=error)
                adapter.broke(invocation, error)
            finally:
                adapter.ended(invocation)

        register_entrypoint(work, entrypoint)
        return work

    return decorate


_Kind = TypeVar("_Kind", bound=EntrypointAdapter)


def entrypoints_of(service: type, kind: type[_Kind]) -> Iterator[_Kind]:
    """The entrypoints of one kind that a service class declares, each with its `method_name`."""
    for name in dir(service):
        for entrypoint in getattr(getattr(service, name), "nameko_entrypoints", ()):
            if isinstance(entrypoint, kind):
                entrypoint.method_name = name
                yield entrypoint
