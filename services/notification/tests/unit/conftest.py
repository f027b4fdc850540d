"""The service on a database in memory, with messages and deadlines handed over one by one, in any order."""

import copy
import datetime
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from notification.channels import smtp as mailer
from notification.service import NotificationService
from touchstone_chassis.api import Job, Stored

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


class Clash(Exception):
    """Somebody else committed a change of the same document."""


class UnitInMemory:
    """A unit of work on dictionaries: reads see what is committed, writes wait for `commit`.

    `reads` names the collections that were asked.
    """

    def __init__(self, database: "DatabaseInMemory"):
        self._database = database
        self.reads: list[str] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything that was to be written: the handler runs again."""
        self._writes: list[tuple[str, dict[str, Any]]] = []
        self._deadlines: list[tuple[tuple[str, str], Any]] = []
        self._events: list[Any] = []

    def find_one(self, collection: str, filter: Mapping[str, Any]) -> dict[str, Any] | None:
        return next(iter(self.find(collection, filter)), None)

    def find(
        self,
        collection: str,
        filter: Mapping[str, Any],
        *,
        sort: Any = None,
        limit: int = 0,
        projection: Mapping[str, int] | None = None,
    ) -> list[dict[str, Any]]:
        self.reads.append(collection)
        found = [d for d in self._database.documents.get(collection, {}).values() if _matches(d, filter)]
        for key, direction in reversed(sort or []):
            found.sort(key=lambda document: document[key], reverse=direction < 0)
        shown = found[:limit] if limit else found
        if projection:
            shown = [{name: d[name] for name in ("_id", *projection)} for d in shown]
        return copy.deepcopy(shown)

    def save(self, collection: str, document: dict[str, Any], events: Iterable[Any] = ()) -> None:
        self._writes.append((collection, document))
        self._events += events

    def schedule(
        self, kind: str, key: str, due_at: datetime.datetime, payload: Mapping[str, Any] | None = None
    ) -> None:
        self._deadlines.append(((kind, key), (due_at, dict(payload or {}))))

    def unschedule(self, kind: str, key: str) -> None:
        self._deadlines.append(((kind, key), None))

    def commit(self, done: tuple[str, str] | None = None) -> None:
        """All or nothing. `done` is the deadline that the work was for. Raises Clash."""
        for collection, document in self._writes:
            stored = self._database.documents.setdefault(collection, {}).get(document["_id"])
            if (stored["version"] if stored else 0) != document["version"]:
                raise Clash
        if done:
            self._database.deadlines.pop(done, None)
        for collection, document in self._writes:
            written = copy.deepcopy(document) | {"version": document["version"] + 1}
            self._database.documents[collection][document["_id"]] = written
        for id, deadline in self._deadlines:
            if deadline is None:
                self._database.deadlines.pop(id, None)
            else:
                self._database.deadlines[id] = deadline
        self._database.events += self._events


class DatabaseInMemory:
    def __init__(self) -> None:
        self.documents: dict[str, dict[str, dict[str, Any]]] = {}
        self.deadlines: dict[tuple[str, str], tuple[datetime.datetime, dict[str, Any]]] = {}
        self.events: list[Any] = []


class Bench:
    """Runs the service's handlers. `now` is the domain's clock; `answer` is what the mail server does with a mail."""

    def __init__(self) -> None:
        self.database = DatabaseInMemory()
        self.now = NOON
        self.mails: list[Any] = []
        self.answer: Callable[[Any], mailer.Outcome] = lambda _mail: mailer.Taken()
        self.sent_mail_cache = mailer.SentMailCache()

    def handle(self, handler: str, *arguments: Any) -> Callable[[], None]:
        """Read and decide now; the answer commits, deciding again if somebody else changed the same."""
        done = (arguments[0].kind, arguments[0].key) if isinstance(arguments[0], Job) else None
        service, unit = self.begin()
        run = getattr(NotificationService, handler).__wrapped__
        run(service, *arguments)

        def commit() -> None:
            try:
                unit.commit(done)
            except Clash:  # the same handler decides again
                unit.reset()
                run(service, *arguments)
                unit.commit(done)

        return commit

    def due(self, kind: str) -> Iterator[Job]:
        for (found, key), (due_at, payload) in sorted(self.database.deadlines.items()):
            if found == kind and due_at <= self.now:
                yield Job(found, key, payload, due_at, 1, "claim", f"{found}/{key}")

    def run_due(self, *kinds: str) -> None:
        """Run what is due of these kinds until nothing is."""
        while waiting := [deadline for kind in kinds for deadline in self.due(kind)]:
            for deadline in waiting:
                self.handle(deadline.kind, deadline)()

    def notices(self) -> list[dict[str, Any]]:
        return sorted(self.database.documents.get("notices", {}).values(), key=lambda n: n["position"])

    def reads_of(self, handler: str, *arguments: Any) -> list[str]:
        """Run a handler and commit; answers which collections it asked, in order."""
        commit = self.handle(handler, *arguments)
        commit()
        return list(self._last.reads)

    def begin(self) -> tuple[Any, UnitInMemory]:
        """A service whose handlers read now; what they do is written when the unit is committed."""
        self._last = unit = UnitInMemory(self.database)
        service: Any = NotificationService()
        for name in dir(NotificationService):
            if isinstance(provider := getattr(NotificationService, name), Stored):
                setattr(service, name, provider.repository(unit))
        service.clock = types.SimpleNamespace(now=lambda: self.now)
        service.settings, service.sent_mail_cache = SETTINGS, self.sent_mail_cache
        return service, unit


def _matches(document: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    return all(_meets(document.get(key), wanted) for key, wanted in filter.items())


def _meets(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return wanted in value if isinstance(value, list) else value == wanted
    operators: dict[str, Callable[[Any], bool]] = {
        "$in": lambda choices: value in choices,
        "$gt": lambda limit: value > limit,
        "$gte": lambda limit: value >= limit,
        "$lt": lambda limit: value < limit,
        "$elemMatch": lambda inner: any(_matches(element, inner) for element in value),
    }
    return all(operators[name](argument) for name, argument in wanted.items())


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
