"""The entrypoint for jobs: what the handler changes and the job's end are one commit."""

import contextlib
from collections.abc import Callable
from typing import Any

import structlog

from touchstone_chassis.handlers.entrypoint import EntrypointAdapter, Invocation, handled_by
from touchstone_chassis.handlers.execution import Deferred, Execution
from touchstone_chassis.handlers.tracing import job_span
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.scheduling.job_queue import Job, JobQueue
from touchstone_chassis.unit_of_work.transaction import ClaimLost, CompletionRecord

log = structlog.get_logger(__name__)


class JobExecution(Execution):
    """One job in its handler: done when its document is deleted, as long as the claim is ours."""

    patient = True  # what it sent outside may be known to this process alone

    def __init__(self, invocation: Invocation, method: Callable[..., Any]):
        self._job: Job = invocation.subject
        super().__init__(invocation.entrypoint.resources, invocation.unit, self._job.origin)
        self._method = method

    def attempt(self) -> None:
        self._method(self._job)

    def completion(self, _result: None) -> CompletionRecord:
        return CompletionRecord(claim=(self._job.id, self._job.claim))


class OnJob(EntrypointAdapter):
    """Handles the jobs of one kind."""

    jobs = JobQueue()

    def __init__(self, kind: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind = kind

    def setup(self) -> None:
        self.jobs.add(self.kind, self.spawn)

    def stop(self) -> None:
        self.resources.consumer.drain()
        self.jobs.drain()

    def span(self, invocation: Invocation) -> contextlib.AbstractContextManager[None]:
        return job_span(self.method_name, invocation.subject.id, invocation.subject.origin.correlation_id)

    def handle(self, invocation: Invocation, method: Callable[..., Any], service: Any) -> None:
        job: Job = invocation.subject
        structlog.contextvars.clear_contextvars()
        outcome = "handled"
        try:
            JobExecution(invocation, method).run()
        except ClaimLost:
            outcome = "lost"
        except Deferred:
            outcome = "abandoned"
        except Exception as error:
            outcome = "failed"
            log.error("deadline_handler_failed", kind=job.kind, key=job.key, exc_info=error)
            self._postpone(job)
        finally:
            self.jobs.done(job)
        metrics.DEADLINES_RUN.labels(kind=job.kind, outcome=outcome).inc()
        tracing.outcome(outcome)

    def broke(self, invocation: Invocation, error: BaseException) -> None:
        self._postpone(invocation.subject)

    def _postpone(self, job: Job) -> None:
        try:
            self.jobs.postpone(job)
        except Exception as error:  # the claim lapses by itself
            log.warning("deadline_not_postponed", error=type(error).__name__)


def on_job(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle jobs of `kind`: the method gets the Job."""
    return handled_by(OnJob(kind))
