"""The service on the database in memory, with messages and deadlines handed over one by one, in any order."""

import datetime
import functools
import types
from collections.abc import Callable
from typing import Any

import pytest

from notification.channels import smtp as mailer
from notification.service import NotificationService
from touchstone_chassis.api import Job
from touchstone_chassis.validation import load
from touchstone_contracts.callers import Caller
from touchstone_testing.memory_service import MemoryService, done_with

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
SETTINGS: dict[str, Any] = {
    "smtp": {"exchange_s_max": 5},
    "sender": "notices@touchstone.example",
    "sender_name": "Register",
    "message_id_domain": "touchstone.example",
    "register_url": None,
    "retry_delays_s": [10, 60],
    "check_after_s": 5,
    "batch": 2,
}


class Bench(MemoryService):
    """Runs the service's handlers. `now` is the domain's clock; `answer` is what the mail server does with a mail."""

    def __init__(self) -> None:
        self.now = NOON
        self.mails: list[Any] = []
        self.answer: Callable[[Any], mailer.Outcome] = lambda _mail: mailer.Taken()
        clock = types.SimpleNamespace(now=lambda: self.now)
        super().__init__(NotificationService, clock=clock, settings=SETTINGS)

    def handle(self, handler: str, *arguments: Any) -> Callable[[], None]:
        """Read and decide now; the answer commits, deciding again if somebody else changed the same."""
        service, unit = self.begin()
        decide = functools.partial(getattr(NotificationService, handler).__wrapped__, service, *arguments)
        done = [done_with(job) for job in arguments if isinstance(job, Job)]
        decide()
        return lambda: self.commit(unit, *done, again=decide)

    def call(self, method: str, schema: Any, role: str = "registrar", **request: Any) -> dict[str, Any]:
        """What a command answers, once it is committed."""
        service, unit = self.begin()
        command = getattr(NotificationService, method).__wrapped__
        answer: dict[str, Any] = command(service, load(schema, request), Caller(subject="r-1", role=role))
        self.commit(unit)
        return answer

    def due_of(self, *kinds: str) -> list[Job]:
        due = [job for job in self.due() if job.kind in kinds]
        return sorted(due, key=lambda job: (kinds.index(job.kind), job.key))

    def run_due(self, *kinds: str) -> None:
        """Run what is due of these kinds until nothing is."""
        while due := self.due_of(*kinds):
            self.handle(due[0].kind, due[0])()

    def notices(self) -> list[dict[str, Any]]:
        return sorted(self.documents("notices"), key=lambda n: n["position"])

    def contact(self, id: str) -> dict[str, Any]:
        (found,) = self.database["contacts"].find({"_id": id})
        return found

    def reads_of(self, handler: str, *arguments: Any) -> list[str]:
        """Run a handler and commit; answers which collections it asked, in order."""
        self.database.reads.clear()
        commit = self.handle(handler, *arguments)
        reads = list(self.database.reads)
        commit()
        return reads


@pytest.fixture
def new_bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Bench]:
    """Makes benches; each mail goes to the bench made last."""
    made: list[Bench] = []

    def make() -> Bench:
        made.append(Bench())
        return made[-1]

    def send(mail: Any, _smtp: Any) -> mailer.Outcome:
        made[-1].mails.append(mail)
        return made[-1].answer(mail)

    monkeypatch.setattr(mailer, "send", send)
    return make


@pytest.fixture
def bench(new_bench: Callable[[], Bench]) -> Bench:
    return new_bench()
