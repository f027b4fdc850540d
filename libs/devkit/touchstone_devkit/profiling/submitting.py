"""Hands audits in, one at a time or by many at once, and waits until the notices about all of them are recorded."""

import dataclasses
import json
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from pymongo import MongoClient

from touchstone.rpc.client import Client
from touchstone_devkit.demo.register import Register
from touchstone_devkit.demo.worlds import a_world, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.profiling.traces import PATH, Sent
from touchstone_devkit.system.runner import System

CASE = "a minor, plan approved"
STANDARD = CHECKOUT / "services/assessment/assessment/data/standards/ps-3.0.json"
GIVE_UP_S = 120
BETWEEN_S = 0.03
"""So that what runs beside an audit's way is over before the next one begins."""


def environment(folder: Path) -> dict[str, str]:
    """For services that write traces into `folder`/traces, accept reports by themselves and send no mail."""
    standard = json.loads(STANDARD.read_text(encoding="utf-8"))
    standard["acceptance"] |= {"value": "automatic"}
    for name in ("traces", "standards"):
        (folder / name).mkdir()
    (folder / "standards" / STANDARD.name).write_text(json.dumps(standard), encoding="utf-8")
    return {
        "TOUCHSTONE_TRACES": str(folder / "traces"),
        "OTEL_SPAN_LINK_COUNT_LIMIT": "512",  # of a window of the relay, or a read for many
        "ASSESSMENT_STANDARDS_FOLDER": str(folder / "standards"),
        "NOTIFICATION_RUN_DEADLINES": "false",
    }


@dataclasses.dataclass(frozen=True)
class Load:
    """What was handed in, how long all of it took, and the CPU time (ms) of each service for one audit."""

    title: str
    sent: list[Sent]
    wall_s: float
    cpu_ms: Mapping[str, float]


class _Traced(Client):
    """A client whose calls begin the trace that their thread says."""

    of_thread = threading.local()

    def _headers(self, correlation_id: str, until: float) -> dict[str, Any]:
        trace = self.of_thread.trace
        return super()._headers(correlation_id, until) | {"traceparent": f"00-{trace}-{trace[:16]}-01"}


class Submitters:
    """Whoever hands in to one running system, which is told of a member, a body, and a person of each party."""

    def __init__(self, system: System) -> None:
        self._system, self._world = system, a_world(CASE, uuid.uuid4().hex[:6])
        people = {(c["party"]["kind"], c["party"]["id"]): c for c in reversed(self._world.setup["contacts"])}
        self._world.setup["contacts"] = list(people.values())
        self._client = _Traced(system.amqp_uri, self._token, timeout_s=60)
        self._mongo: MongoClient = MongoClient(system.mongo_uri)
        with Register(system.calls_uri, system.token) as register:
            stage(register, self._world)
        self._wait_for("contacts", len(people))
        self._expected, self._notices_each = 0, len(people)
        self._registered = len(self._world.setup["entities"])

    def hand_in(self, count: int, submitters: int = 1) -> Load:
        """Each hands in its next one when the one before is answered; one alone, when its notices are recorded."""
        works = self._register(count)
        begun, before = time.monotonic(), self._cpu_ms()
        with ThreadPoolExecutor(submitters) as pool:
            submit = self._submit_and_wait if submitters == 1 else self._submit
            sent = list(pool.map(submit, works, range(count)))
        self._expected += count * self._notices_each
        self._wait_for("notices", self._expected)
        spent = {hop: (ms - before[hop]) / count for hop, ms in self._cpu_ms().items()}
        title = "one at a time" if submitters == 1 else f"{submitters} submitters"
        return Load(title, sent, time.monotonic() - begun, spent)

    def close(self) -> None:
        self._client.close()
        self._mongo.close()

    def _register(self, count: int) -> list[str]:
        """So many entities, each for one audit; the traces of these audits are named as they are."""
        works, activities = [uuid.uuid4().hex for _ in range(count)], self._world.case.report["scope"]["activities"]
        with Register(self._system.calls_uri, self._system.token) as register:
            for trace in works:
                place = {"member_id": self._world.case.member_id, "name": _name(trace), "country": "DE"}
                arguments = {"entity_id": f"works-{trace}", "activities": activities, **place}
                register.call(self._world.member, "membership.register_entity", **arguments)
        self._registered += count
        self._wait_for("entities", self._registered, service="assessment")
        return works

    def _submit(self, trace: str, _number: int) -> Sent:
        self._client.of_thread.trace = trace
        entity = {"id": f"works-{trace}", "name": _name(trace), "country": "DE"}
        report = self._world.conforming(report_id=f"profile-{trace}", entity=entity)
        report["scope"] |= {"type": "business", "facilities": []}  # the world's facility is another entity's
        begun = time.time()
        self._client.call("assessment", "submit_audit_report", report=report)
        return Sent(trace, begun * 1000, time.time() * 1000)

    def _submit_and_wait(self, trace: str, number: int) -> Sent:
        sent = self._submit(trace, number)
        self._wait_for("notices", self._expected + (number + 1) * self._notices_each)
        time.sleep(BETWEEN_S)
        return sent

    def _token(self) -> str:
        return self._system.token(self._world.body.role, sub=self._world.body.sub, cab=self._world.body.cab)

    def _wait_for(self, collection: str, count: int, service: str = "notification") -> None:
        kept = self._mongo[self._system.database(service)][collection]
        eventually(lambda: kept.estimated_document_count() >= count, within_s=GIVE_UP_S, every_s=0.005)

    def _cpu_ms(self) -> dict[str, float]:
        processes = {hop: psutil.Process(self._system.processes[hop].pid) for hop in PATH}
        return {hop: sum(process.cpu_times()[:2]) * 1000 for hop, process in processes.items()}


def _name(trace: str) -> str:
    return f"Fictional works {trace} (example)"
