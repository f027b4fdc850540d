"""Connects nameko's workers to our entrypoints: one argument, the work, which knows how it is to be carried out."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import eventlet
import structlog
from nameko.extensions import Entrypoint, register_entrypoint

from touchstone_chassis.consuming.consumer import Delivery
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.unit_of_work.unit import UnitOfWork

log = structlog.get_logger(__name__)


@dataclasses.dataclass
class Invocation:
    """What a worker was started for: a message or a deadline, with its own unit of work."""

    entrypoint: "EntrypointAdapter"
    subject: Any
    unit: UnitOfWork


class EntrypointAdapter(Entrypoint):
    """An entrypoint whose workers carry out a piece of work and settle it themselves, whatever happens."""

    resources = Resources()
    counted = True
    """Whether a message that ends the process again and again is given up."""

    def spawn(self, subject: Any) -> None:
        """Start a worker; waits while all workers are busy."""
        work = Invocation(self, subject, self.resources.unit())
        work.unit.suspect = isinstance(subject, Delivery) and subject.suspect
        self.container.spawn_worker(self, (work,), {})

    def handle(self, work: Invocation, method: Callable[..., Any], service: Any) -> Any:
        """Run `method` (bound to the service instance) for the work and settle it. Should not raise."""
        raise NotImplementedError

    def broke(self, work: Invocation, error: BaseException) -> None:
        """Settle what `handle` left unsettled by raising: nameko would, and the message would hold its slot."""
        raise NotImplementedError


def handled_by(entrypoint: EntrypointAdapter) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a service method the handler of `entrypoint`. The plain method stays reachable as `__wrapped__`."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def handle(service: Any, work: Invocation) -> Any:
            try:
                start = functools.partial(work.entrypoint.handle, work, functools.partial(method, service), service)
                if isinstance(work.subject, Delivery) and work.entrypoint.counted:
                    return work.entrypoint.resources.poison.run(work.subject, start)
                return start()
            except eventlet.greenlet.GreenletExit:  # the container is being killed
                raise
            except BaseException as error:  # a timer that a handler forgot may go off anywhere
                log.error("work_broke", method=entrypoint.method_name, error=type(error).__name__, exc_info=error)
                return work.entrypoint.broke(work, error)
            finally:
                if isinstance(work.subject, Delivery):
                    work.subject.release_slot()

        register_entrypoint(handle, entrypoint)
        return handle

    return decorate


_Kind = TypeVar("_Kind", bound=EntrypointAdapter)


def entrypoints_of(service: type, kind: type[_Kind]) -> Iterator[_Kind]:
    """The entrypoints of one kind that a service class declares, each with its `method_name`."""
    for name in dir(service):
        for entrypoint in getattr(getattr(service, name), "nameko_entrypoints", ()):
            if isinstance(entrypoint, kind):
                entrypoint.method_name = name
                yield entrypoint
