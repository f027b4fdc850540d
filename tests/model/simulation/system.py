"""The four services joined by the bus, with everything that can happen to a message, a handler or a process."""

import contextlib
import copy
import dataclasses
import datetime
import enum
import functools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import yaml
from simulation.bus import Bus, Message
from simulation.process import Crash, Process

import assessment.schemas.settings
import assessment.service
import certification.schemas.settings
import certification.service
import membership.service
import notification.schemas.settings
import notification.service
from notification.channels import smtp as mailer
from touchstone_chassis.handlers import execution
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Refusal
from touchstone_contracts.roles import ASSESSOR, REGISTRAR, SECRETARIAT

BEGIN = datetime.datetime(2026, 12, 2, 9, tzinfo=datetime.UTC)
STEP = datetime.timedelta(milliseconds=250)
MOVES_MAX = 5_000
SECRETARY, REGISTRARS = Caller("secretariat-1", SECRETARIAT), Caller("registrar-1", REGISTRAR)
BOOKKEEPING = {"inbox", "outbox", "idempotency", "deadlines", "sequences"}
Move = Callable[[], None]


class Fault(enum.Enum):
    """What happens to a piece of work. NONE for most."""

    NONE = "none"
    CRASH_BEFORE_COMMIT = "crash before commit"
    CRASH_AFTER_COMMIT = "crash after commit"
    LOST_ON_THE_WAY = "lost on the way"
    """A delivery that never arrives, or a confirm: it comes again."""


@dataclasses.dataclass
class Sent:
    """A mail that the mail server took; `all_known`: no news of a contact was on its way or still to be looked at."""

    notice_id: str
    recipient: str
    message_id: str
    all_known: bool


class SetClock:
    """The domain's clock, set by hand; a little later at each reading, so that no two commits look simultaneous."""

    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> datetime.datetime:
        return self.time

    def today(self) -> datetime.date:
        return self.time.date()


class System:
    """Everything under one hand. Use as a context: it stands in for the mail server."""

    def __init__(self) -> None:
        self.clock = SetClock()
        settings = _settings()
        self.processes = {
            name: Process(service, topology, copy.copy(settings[name]), self.clock)
            for name, (service, topology) in SERVICES.items()
        }
        self.bus = Bus(topology for _, topology in SERVICES.values())
        self.emitted: dict[str, dict[str, Any]] = {}
        """Every event that was ever committed, by id, with the service that wrote it and its message."""
        self.versions: dict[tuple[str, str, str], int] = {}
        self.skipped: list[str] = []
        """Versions of aggregates that did not follow the one before."""
        self.sent: list[Sent] = []
        self.parked: list[str] = []
        self.interleaved = False
        """Whether anything was ever done between another handler's reading and its writing."""
        self.mails_to_put_off = 0
        self._known: dict[tuple[str, str], dict[Any, bytes]] = {}
        for process in self.processes.values():
            for name, kept in process.database.snapshot().items():  # by migrations: no commit, and nobody's event
                self._known[process.name, name] = kept
            process.database.at_commit = functools.partial(self._at_commit, process, Fault.NONE, None)

    def __enter__(self) -> "System":
        self._patches = contextlib.ExitStack()
        self._patches.enter_context(mock.patch.object(mailer, "send", self._take_mail))
        self._patches.enter_context(mock.patch.object(execution, "eventlet", _NoWaiting()))
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    # What people and other systems do

    def call(
        self,
        service: str,
        method: str,
        caller: Caller = SECRETARY,
        *,
        fault: Fault = Fault.NONE,
        meanwhile: Move | None = None,
        repeat: int = 0,
        **arguments: Any,
    ) -> Any:
        """The answer, or the Refusal. A caller who hears nothing asks again with the same key; `repeat`: times more."""
        process, answer = self.processes[service], None
        request = arguments | {"idempotency_key": uuid.uuid4().hex}
        for _ in range(1 + repeat):
            with self._trouble(process, fault, meanwhile) as trouble:
                try:
                    answer = process.call(method, request, caller)
                except Refusal as refusal:
                    answer = refusal
            if trouble.crashed:
                answer = self._ask_again(process, method, request, caller)
        return answer

    def send(self, queue: str, body: dict[str, Any], sender: Caller) -> None:
        """A command by message."""
        self.bus.put(Message(queue, uuid.uuid4().hex, orjson.dumps(body), sender))

    def go_on(self, time: datetime.timedelta) -> None:
        self.clock.time += time

    # What the machinery does

    def moves(self) -> list[tuple[str, Callable[..., None]]]:
        """All that could happen next: rows to publish, messages to deliver, deadlines to run; in a fixed order."""
        found: list[tuple[str, Callable[..., None]]] = []
        for process in self.processes.values():
            for row in process.database["outbox"].find({"pending": True}):
                found.append((f"publish {row['type']}", functools.partial(self.relay, process, row["_id"])))
            for id in process.due():
                found.append((f"run {id}", functools.partial(self.run_deadline, process, id)))
        for message in self.bus.waiting:
            found.append((f"deliver {message.queue}", functools.partial(self.deliver, message)))
        return found

    def relay(self, process: Process, row_id: str, fault: Fault = Fault.NONE, meanwhile: Move | None = None) -> None:
        """Publish an outbox row and mark it. A crash, or a confirm that is lost, leaves it to be published again."""
        row = process.database["outbox"].find_one({"_id": row_id, "pending": True})
        if row is None or fault is Fault.CRASH_BEFORE_COMMIT:
            return
        self.bus.publish(row)
        if fault in (Fault.LOST_ON_THE_WAY, Fault.CRASH_AFTER_COMMIT):
            return
        if row["personal"] or "properties" in row:
            process.database["outbox"].delete_many({"_id": {"$in": [row_id]}})
        else:
            process.database["outbox"].update_many({"_id": {"$in": [row_id]}}, {"$set": {"pending": False}})

    def deliver(self, message: Message, fault: Fault = Fault.NONE, meanwhile: Move | None = None) -> None:
        """Hand a message to its handler and acknowledge it, unless the process died or the delivery was lost."""
        if message not in self.bus.waiting or fault is Fault.LOST_ON_THE_WAY:
            return
        process = self.processes[message.queue.partition(".")[0]]
        with self._trouble(process, fault, meanwhile) as trouble:
            try:
                if message.sender is not None:
                    process.take_message(message.queue, message.body, message.sender, message.about)
                else:
                    process.take_event(message.queue, message.body)
            except Exception as error:
                self.parked.append(f"{message.queue}: {type(error).__name__}: {error}")
        if not trouble.crashed and message in self.bus.waiting:
            self.bus.acknowledge(message)

    def run_deadline(self, process: Process, id: str, fault: Fault = Fault.NONE, meanwhile: Move | None = None) -> None:
        if fault is Fault.LOST_ON_THE_WAY:
            return
        with self._trouble(process, fault, meanwhile):
            try:
                process.run_deadline(id)
            except Exception as error:
                self.parked.append(f"{id}: {type(error).__name__}: {error}")

    def settle(self) -> None:
        """All that is under way, without any more trouble, to its end. Raises AssertionError when there is none."""
        self.mails_to_put_off = 0
        for _ in range(MOVES_MAX):
            moves = self.moves()
            if not moves:
                return
            moves[0][1]()
        raise AssertionError(f"no end after {MOVES_MAX} moves: {[name for name, _ in self.moves()][:10]}")

    def documents(self, service: str, collection: str) -> list[dict[str, Any]]:
        return self.processes[service].database[collection].find({})

    # Inside

    def _ask_again(self, process: Process, method: str, request: dict[str, Any], caller: Caller) -> Any:
        try:
            return process.call(method, request, caller)
        except Refusal as refusal:
            return refusal

    @contextlib.contextmanager
    def _trouble(self, process: Process, fault: Fault, meanwhile: Move | None) -> Iterator["_Trouble"]:
        """While the block runs, the first commit meets the fault, after `meanwhile` was done between read and write."""
        self.clock.time += STEP
        trouble, before = _Trouble(), process.database.at_commit
        process.database.at_commit = functools.partial(self._at_commit, process, fault, _only_once(meanwhile))
        try:
            yield trouble
        except Crash:
            trouble.crashed = True
            process.restart()
        finally:
            process.database.at_commit = before

    def _at_commit(self, process: Process, fault: Fault, meanwhile: Move | None, stage: str) -> None:
        if stage == "begin" and meanwhile is not None:
            self.interleaved = True
            meanwhile()
        if stage == "commit" and fault is Fault.CRASH_BEFORE_COMMIT:
            raise Crash
        if stage == "committed":
            self._note(process)
            if fault is Fault.CRASH_AFTER_COMMIT:
                raise Crash

    def _note(self, process: Process) -> None:
        """What a commit added: events, and versions of aggregates."""
        for name, kept in process.database.snapshot().items():
            before = self._known.get((process.name, name), {})
            for id, stored in kept.items():
                if before.get(id) is not stored and (name == "outbox" or name not in BOOKKEEPING):
                    self._note_document(process, name, process.database[name].find_one({"_id": id}) or {})
            self._known[process.name, name] = kept

    def _note_document(self, process: Process, name: str, document: dict[str, Any]) -> None:
        if name == "outbox":
            if "properties" not in document:
                self.emitted.setdefault(document["_id"], document | {"message": orjson.loads(document["body"])})
        elif "version" in document:
            key = (process.name, name, document["_id"])
            before, self.versions[key] = self.versions.get(key, 0), document["version"]
            if document["version"] != before + 1:
                self.skipped.append(f"{name}/{document['_id']} went from version {before} to {document['version']}")

    def _take_mail(self, mail: Any, _smtp: Any) -> mailer.Outcome:
        if self.mails_to_put_off:
            self.mails_to_put_off -= 1
            return mailer.PutOff(451, "not now")
        waiting = [m for m in self.bus.waiting if m.queue.startswith("notification.membership.contact_changed")]
        pending = [r for r in self.documents("membership", "outbox") if r["pending"] and r["personal"]]
        looking = [id for id in self.processes["notification"].due() if id.startswith("catch_up/")]
        all_known = not (waiting or pending or looking or self.interleaved)
        self.sent.append(Sent(mail["X-Touchstone-Notice"], mail["To"], mail["Message-ID"], all_known))
        return mailer.Taken()


@dataclasses.dataclass
class _Trouble:
    crashed: bool = False


class _NoWaiting:
    """Stands where `eventlet` stands for whoever only sleeps."""

    def __getattr__(self, name: str) -> Any:
        import eventlet

        return getattr(eventlet, name)

    @staticmethod
    def sleep(_seconds: float) -> None:
        return None


SERVICES = {
    "membership": (membership.service.MembershipService, membership.service.MembershipService.topology),
    "assessment": (assessment.service.AssessmentService, assessment.service.AssessmentService.topology),
    "certification": (certification.service.CertificationService, certification.service.CertificationService.topology),
    "notification": (notification.service.NotificationService, notification.service.NotificationService.topology),
}


def body(id: str) -> Caller:
    """Somebody who hands in reports for a body."""
    return Caller(f"{id}-reports", ASSESSOR, cab=id)


@functools.cache
def _settings() -> dict[str, dict[str, Any]]:
    """What the services start with, from the code and the configuration that is shipped."""
    config = Path(notification.service.__file__).parents[1] / "config.yaml"
    written = yaml.safe_load(config.read_text())["settings"]
    plain = {
        "message_id_domain": "touchstone.example",
        "sender": "notices@touchstone.example",
        "sender_name": "Register",
    }
    smtp = {"host": "x", "port": 25, "tls": "none", "helo_name": "x", "timeout_s": 1, "exchange_s_max": 5}
    told = written | plain | {"smtp": smtp, "register_url": None, "retry_delays_s": [10] * 50, "batch": 3}
    return {
        "membership": {},
        "assessment": assessment.schemas.settings.SettingsSchema().load({}),
        "certification": certification.schemas.settings.SettingsSchema().load({}),
        "notification": notification.schemas.settings.SettingsSchema().load(told),
    }


def _only_once(move: Move | None) -> Move | None:
    left = [move] if move is not None else []
    return (lambda: left.pop()() if left else None) if left else None
