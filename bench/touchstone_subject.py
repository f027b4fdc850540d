"""Starts Touchstone itself as a subject: the four services, with the register filled and notices recorded only."""

import contextlib
import copy
import dataclasses
import functools
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.plan import CONTACTS, TOUCHSTONE
from bench.subjects import Subject, Surroundings
from touchstone_devkit.demo.register import Register
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import awaited, eventually
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess
from touchstone_devkit.system.runner import SERVICES, System

RUN_DEADLINES = "NOTIFICATION_RUN_DEADLINES"
"""Off: notices are recorded and wait. Peers only record them, too; delivery is measured apart."""
LEARN_TIMEOUT_S, QUIET_TIMEOUT_S = 60, 30
CLIENTS = CHECKOUT / "bench" / "clients"


@dataclasses.dataclass
class Touchstone(Subject):
    """The whole system."""

    system: System
    known: int = 0
    """Of so many audits the entity is registered."""

    def learn(self, audits: int) -> None:
        """As if membership had told of them: what registering costs is no part of an audit's way."""
        copies = self.collection("assessment", "entities")
        for first in range(self.known, audits, 5_000):
            of = range(first, min(audits, first + 5_000))
            copies.insert_many([self._entity | {"_id": f"works-{number}"} for number in of])
        self.known = max(self.known, audits)

    @functools.cached_property
    def _entity(self) -> dict[str, Any]:
        copies = self.collection("assessment", "entities")
        own: dict[str, Any] = awaited(copies.find_one, "assessment has not learnt of its entity", LEARN_TIMEOUT_S)
        return own

    def faults(self) -> list[str]:
        """Also what was refused, is left in an outbox, was given up, or was started again."""
        counts = {"submissions by message were refused": self.count("assessment", "refusals")}
        for service in SERVICES:
            counts[f"rows are left in the outbox of {service}"] = self._pending_for(service)
            counts[f"messages were given up by {service}"] = self.count(service, "dead_letters")
            counts[f"times {service} was started again"] = self.system.processes[service].restarts
        return super().faults() + [f"{count} {what}" for what, count in counts.items() if count]

    def hold(self) -> None:
        """Stops the services one by one, so that none is taken for dead. Queues and databases stay."""
        for name in SERVICES:
            self.system.processes[name].hold()

    def release(self) -> float:
        """Starts them again at once. Seconds until all were ready."""
        begun = time.monotonic()
        for name in SERVICES:
            self.system.processes[name].launch()
        for name in SERVICES:
            self.system.processes[name].wait_until_ready()
            self.system.processes[name].release()
        return time.monotonic() - begun

    def deliver(self) -> None:
        """Lets notification send what it has recorded."""
        self.system.restart("notification", {RUN_DEADLINES: "true"})
        self.system.processes["notification"].restarts = 0

    def count(self, service: str, collection: str, **which: Any) -> int:
        return int(self.collection(service, collection).count_documents(which))

    def _pending_for(self, service: str) -> int:
        """Rows that still wait to be published or marked so, after a while."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self.count(service, "outbox", pending=True), within_s=QUIET_TIMEOUT_S)
        return self.count(service, "outbox", pending=True)


@contextlib.contextmanager
def touchstone(around: Surroundings, *, contacts: int = CONTACTS, processes: int = 1) -> Iterator[Touchstone]:
    """`processes` is how many there are of each service that carries out audits."""
    told_at: list[float] = []
    system = System(
        backing=around.backing,
        keys_folder=around.work.keys_folder,
        environment={"ASSESSMENT_STANDARDS_FOLDER": str(around.work.standards_folder), RUN_DEADLINES: "false"},
        announce=lambda _line: told_at.append(time.monotonic()),
    )
    with system, contextlib.ExitStack() as stack:
        running: dict[str, LocalProcess] = {name: system.processes[name] for name in SERVICES}
        names = TOUCHSTONE, Path(sys.executable), CLIENTS / "audits.py", system.amqp_uri, system.database_prefix
        start_s = told_at[-1] - told_at[-2]  # the services are what it tells of last
        subject = Touchstone(*names, contacts, start_s, running, around.mongo, system)
        _fill_register(subject, with_contacts(around.work.world, contacts))
        for number, service in itertools.product(range(2, processes + 1), SERVICES[1:]):  # membership has no part in it
            one_more = _one_more(around, system, service, number)
            stack.callback(one_more.stop)
            one_more.start()
            running[one_more.name] = one_more
        yield subject


def with_contacts(world: World, count: int) -> World:
    """The world with so many people to tell: the member's, the body's and the Secretariat's in turn."""
    of_kind = {contact["party"]["kind"]: contact for contact in world.setup["contacts"]}
    models = itertools.cycle([of_kind[kind] for kind in ("member", "body", "secretariat")])
    contacts = [
        model | {"contact_id": f"c-{index}", "address": f"c-{index}@example.org", "name": f"Contact {index}"}
        for index, model in enumerate(itertools.islice(models, count))
    ]
    return World(world.case, copy.deepcopy(world.setup) | {"contacts": contacts})


def _fill_register(subject: Touchstone, world: World) -> None:
    """Returns when those have learnt of it who need to."""
    with Register(subject.system.calls_uri, subject.system.token, timeout_s=60) as register:
        stage(register, world)
    learnt = functools.partial(subject.count, "notification", "contacts")
    awaited(lambda: learnt() >= subject.contacts, "notification has not learnt its contacts", LEARN_TIMEOUT_S)
    awaited(lambda: subject.count("certification", "mandates"), "certification has no mandate", LEARN_TIMEOUT_S)


def _one_more(around: Surroundings, system: System, service: str, number: int) -> LocalProcess:
    (port,) = free_ports(1)
    config = CHECKOUT / "services" / service / "config.yaml"
    return LocalProcess(
        f"{service}-{number}",
        [sys.executable, "-m", "touchstone_chassis", service, "--config", str(config)],
        ledger=around.children.ledger,
        port=port,
        ready_uri=f"http://127.0.0.1:{port}/ready",
        environment={**system.environment, f"{service.upper()}_HTTP_PORT": str(port)},
    )
