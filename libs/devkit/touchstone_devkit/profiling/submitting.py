"""Hands audits in, one at a time or by many at once, and waits until the notices about all of them are recorded."""

import json
import os
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from touchstone.rpc.client import Client
from touchstone_devkit.demo.register import Register
from touchstone_devkit.demo.worlds import World, a_world, stage
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.profiling.assembling import PATH, Load, Sent
from touchstone_devkit.system.runner import System

CASE = "a minor, plan approved"
STANDARD = CHECKOUT / "services/assessment/assessment/data/standards/ps-3.0.json"
GIVE_UP_S = 120
BETWEEN_S = 0.03
"""So that what runs beside an audit's way is over before the next one begins."""
TOKEN_USED_S = 60.0


def standards_with_automatic_acceptance(folder: Path) -> Path:
    """A folder for the assessment service's `standards_folder`, where nobody has to accept a report."""
    folder.mkdir(parents=True, exist_ok=True)
    standard = json.loads(STANDARD.read_text(encoding="utf-8"))
    standard["acceptance"] |= {"value": "automatic"}
    (folder / STANDARD.name).write_text(json.dumps(standard), encoding="utf-8")
    return folder


def one_person_for_each_party(world: World) -> World:
    firsts = {(c["party"]["kind"], c["party"]["id"]): c for c in reversed(world.setup["contacts"])}
    return World(world.case, world.setup | {"contacts": list(firsts.values())})


class Submitters:
    """Clients of one running system, with a member, a body and people of their own."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._world = one_person_for_each_party(a_world(CASE, uuid.uuid4().hex[:6]))
        self._notices_each = len(self._world.setup["contacts"])
        self._mongo: MongoClient = MongoClient(system.mongo_uri)
        self._local = threading.local()
        self._clients: list[Client] = []
        self._handed_in = 0

    def stage(self) -> None:
        """Make the system know everybody; returns when the contacts have come through."""
        with Register(self._system.amqp_uri, self._system.token) as register:
            stage(register, self._world)
        contacts = self._mongo[self._system.database("notification")]["contacts"]
        _wait_until(lambda: contacts.count_documents({}) >= self._notices_each, "contacts")

    def one_at_a_time(self, count: int) -> Load:
        """The next one is handed in when the notices about the one before are recorded."""
        sent = []
        begun, cpu = time.monotonic(), self._cpu_s()
        for _ in range(count):
            sent.append(self._submit(self._next_index()))
            self._wait_for_notices()
            time.sleep(BETWEEN_S)
        return Load(sent, time.monotonic() - begun, self._since(cpu))

    def together(self, count: int, submitters: int) -> Load:
        """Each of the submitters hands in its next one as soon as it has the answer to the one before."""
        indices = [self._next_index() for _ in range(count)]
        begun, cpu = time.monotonic(), self._cpu_s()
        with ThreadPoolExecutor(submitters) as pool:
            sent = list(pool.map(self._submit, indices))
        self._wait_for_notices()
        return Load(sent, time.monotonic() - begun, self._since(cpu))

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._mongo.close()

    def _submit(self, index: int) -> Sent:
        entity = {"id": f"works-{index}", "name": f"Fictional works {index} (example)", "country": "DE"}
        report = self._world.conforming(report_id=f"profile-{index}", entity=entity)
        key, client = uuid.uuid4().hex, self._client()
        begun = time.time_ns()
        client.call("assessment", "submit_audit_report", report=report, idempotency_key=key)
        return Sent(key, begun, time.time_ns())

    def _client(self) -> Client:
        """This thread's own, with a token that is used for a while, as callers do."""
        if not hasattr(self._local, "client"):
            self._local.client = Client(self._system.amqp_uri, self._token, timeout_s=60)
            self._clients.append(self._local.client)
        client: Client = self._local.client
        return client

    def _token(self) -> str:
        if time.monotonic() > getattr(self._local, "token_until", 0.0):
            body = self._world.body
            self._local.token = self._system.token(body.role, sub=body.sub, cab=body.cab)
            self._local.token_until = time.monotonic() + TOKEN_USED_S
        token: str = self._local.token
        return token

    def _next_index(self) -> int:
        self._handed_in += 1
        return self._handed_in

    def _wait_for_notices(self) -> None:
        notices = self._mongo[self._system.database("notification")]["notices"]
        expected = self._handed_in * self._notices_each
        _wait_until(lambda: notices.estimated_document_count() >= expected, f"{expected} notices")

    def _cpu_s(self) -> dict[str, float]:
        return {service: cpu_seconds(self._system.processes[service].pid or 0) for service, _ in PATH}

    def _since(self, before: Mapping[str, float]) -> dict[str, float]:
        return {service: spent - before[service] for service, spent in self._cpu_s().items()}


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has had so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait_until(condition: Any, what: str) -> None:
    until = time.monotonic() + GIVE_UP_S
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"there were no {what} within {GIVE_UP_S} s")
        time.sleep(0.005)
