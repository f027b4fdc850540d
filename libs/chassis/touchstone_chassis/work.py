"""Connects nameko's workers to our entrypoints: one argument, the work, which knows how it is to be carried out."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import eventlet
import structlog
from nameko.extensions import Entrypoint, register_entrypoint

from touchstone_chassis.consuming import Delivery
from touchstone_chassis.core import Core
from touchstone_chassis.units import UnitOfWork

log = structlog.get_logger(__name__)


@dataclasses.dataclass
class Work:
    """What a worker was started for: a message or a deadline, with its own unit of work."""

    entrypoint: "WorkEntrypoint"
    subject: Any
    unit: UnitOfWork


class WorkEntrypoint(Entrypoint):
    """An entrypoint whose workers carry out a piece of work and settle it themselves, whatever happens."""

    core = Core()
    counted = True
    """Whether a message that ends the process again and again is given up."""

    def spawn(self, subject: Any) -> None:
        """Start a worker; waits while all workers are busy."""
        work = Work(self, subject, self.core.unit())
        work.unit.suspect = isinstance(subject, Delivery) and subject.suspect
        self.container.spawn_worker(self, (work,), {})

    def carry_out(self, work: Work, method: Callable[..., Any], service: Any) -> Any:
        """Run `method` (bound to the service instance) for the work and settle it. Should not raise."""
        raise NotImplementedError

    def broke(self, work: Work, error: BaseException) -> None:
        """Settle what `carry_out` left unsettled by raising: nameko would, and the message would hold its slot."""
        raise NotImplementedError


def handled_by(entrypoint: WorkEntrypoint) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a service method the handler of `entrypoint`. The plain method stays reachable as `__wrapped__`."""

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def carry_out(service: Any, work: Work) -> Any:
            try:
                start = functools.partial(work.entrypoint.carry_out, work, functools.partial(method, service), service)
                if isinstance(work.subject, Delivery) and work.entrypoint.counted:
                    return work.entrypoint.core.starts.run(work.subject, start)
                return start()
            except eventlet.greenlet.GreenletExit:  # the container is being killed
                raise
            except BaseException as error:  # a timer that a handler forgot may go off anywhere
                log.error("work_broke", method=entrypoint.method_name, error=type(error).__name__, exc_info=error)
                return work.entrypoint.broke(work, error)
            finally:
                if isinstance(work.subject, Delivery):
                    work.subject.vacate()

        register_entrypoint(carry_out, entrypoint)
        return carry_out

    return decorate
