"""Starts Touchstone itself as a subject: the four services, with the register filled and notices recorded only."""

import copy
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.children import Child
from bench.subjects import Surroundings
from touchstone_devkit.demo.register import Register
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.system.runner import SERVICES, System

NOTIFICATION = "notification"
RUN_DEADLINES = "NOTIFICATION_RUN_DEADLINES"
"""Off: notices are recorded and wait. Peers only record them, too; delivery is measured apart."""
LEARN_TIMEOUT_S = 60
QUIET_TIMEOUT_S = 30
CLIENT = CHECKOUT / "bench" / "touchstone"


class TimedSystem(System):
    """Knows how long the services took to be ready, in `took_s`."""

    took_s = 0.0

    def _start_process_group(self, names: Sequence[str]) -> None:
        begun = time.monotonic()
        super()._start_process_group(names)
        if tuple(names) == SERVICES:
            self.took_s = time.monotonic() - begun


class Touchstone:
    """The whole system. `processes` is how many there are of each service that carries out audits."""

    name = "touchstone"
    python = Path(sys.executable)
    client_folder = CLIENT

    def __init__(self, around: Surroundings, *, contacts: int, processes: int = 1) -> None:
        self.contacts, self.submitted = contacts, 0
        self._around = around
        self._more: dict[str, Child] = {}
        system = TimedSystem(
            backing=around.backing,
            keys_folder=around.work.keys_folder,
            environment={"ASSESSMENT_STANDARDS_FOLDER": str(around.work.standards_folder), RUN_DEADLINES: "false"},
            announce=lambda _line: None,
        )
        system.start()
        self.system = system
        try:
            self.amqp_uri, self.prefix = self.system.amqp_uri, self.system.database_prefix
            self.start_s = system.took_s
            self._fill_register()
            self._start_more(processes)
        except BaseException:
            self.stop()
            raise

    def pids(self) -> Mapping[str, int]:
        own = {name: self.system.processes[name].pid for name in SERVICES}
        return own | {name: child.pid for name, child in self._more.items()}

    def faults(self) -> list[str]:
        """What is left in an outbox, was given up, or was started again."""
        found = [f"{name} was started again" for name in SERVICES if self.system.processes[name].restarts]
        found += [f"{name} has ended" for name, child in self._more.items() if not child.is_running()]
        for service in SERVICES:
            if left := self._pending_for(service, QUIET_TIMEOUT_S):
                found.append(f"{left} rows are left in the outbox of {service}")
            if given_up := self._collection(service, "dead_letters").count_documents({}):
                found.append(f"{service} gave up {given_up} messages")
        if refused := self._collection("assessment", "refusals").count_documents({}):
            found.append(f"{refused} submissions by message were refused")
        return found

    def stop(self) -> None:
        self._around.children.stop(*self._more.values())
        self._more.clear()
        self.system.stop()

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
        self.system.restart(NOTIFICATION, {RUN_DEADLINES: "true"})
        self.system.processes[NOTIFICATION].restarts = 0

    def _pending_for(self, service: str, timeout_s: float) -> int:
        """Rows that still wait to be published or marked so, after at most that time."""
        until = time.monotonic() + timeout_s
        while left := self._collection(service, "outbox").count_documents({"pending": True}):
            if time.monotonic() > until:
                return int(left)
            time.sleep(0.05)
        return 0

    def _collection(self, service: str, name: str) -> Any:
        return self._around.mongo[f"{self.prefix}_{service}"][name]

    def _fill_register(self) -> None:
        world = with_contacts(self._around.work.world, self.contacts)
        with Register(self.amqp_uri, self.system.token, timeout_s=60) as register:
            stage(register, world)
        until = time.monotonic() + LEARN_TIMEOUT_S
        wanted = {"notification": ("contacts", self.contacts), "certification": ("mandates", 1)}
        for service, (collection, count) in wanted.items():
            while self._collection(service, collection).count_documents({}) < count:
                if time.monotonic() > until:
                    raise TimeoutError(f"{service} has not learnt {count} {collection}")
                time.sleep(0.05)

    def _start_more(self, processes: int) -> None:
        for number in range(2, processes + 1):
            for service in SERVICES[1:]:  # membership has no part in an audit
                (port,) = free_ports(1)
                config = CHECKOUT / "services" / service / "config.yaml"
                command = [sys.executable, "-m", "touchstone_chassis", service, "--config", str(config)]
                environment = {**self.system.environment, f"{service.upper()}_HTTP_PORT": str(port)}
                child = self._around.children.start(f"touchstone-{service}-{number}", command, environment)
                self._more[f"{service}-{number}"] = child
                _wait_until_ready(child, f"http://127.0.0.1:{port}/ready")


def with_contacts(world: World, count: int) -> World:
    """The world with so many people to tell: the member's, the body's and the Secretariat's in turn."""
    setup = copy.deepcopy(world.setup)
    setup["contacts"] = list(_contacts(world, count))
    return World(world.case, setup)


def _contacts(world: World, count: int) -> Iterator[dict[str, Any]]:
    of_kind = {contact["party"]["kind"]: contact for contact in world.setup["contacts"]}
    models = [of_kind[kind] for kind in ("member", "body", "secretariat")]
    for index in range(count):
        id = f"c-{index}"
        yield models[index % len(models)] | {
            "contact_id": id,
            "address": f"{id}@example.org",
            "name": f"Contact {index}",
        }


def _wait_until_ready(child: Child, uri: str) -> None:
    import requests

    until = time.monotonic() + LEARN_TIMEOUT_S
    while True:
        try:
            if requests.get(uri, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        if not child.is_running() or time.monotonic() > until:
            raise child.failure("did not become ready")
        time.sleep(0.05)
