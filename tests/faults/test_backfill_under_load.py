"""A service is filled from a long log beside live audits, and killed on its way: its copies are as they were.

TOUCHSTONE_BACKFILL_EVENTS=200000 says how long the log is, TOUCHSTONE_BACKFILL_KILLS=10 how often the backfill is
killed, TOUCHSTONE_BACKFILL_AUDITS_PER_S=100 how many audits come in meanwhile.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import orjson
import psutil
import pytest
from bson import encode
from harness.workload import Say, a_report, entity_of, small_world
from pymongo import MongoClient

from touchstone_chassis.unit_of_work.ids import new_id
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.membership import OrganisationRecorded
from touchstone_contracts.services import SERVICES
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import SECRETARIAT, Register
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import System

EVENTS = int(os.environ.get("TOUCHSTONE_BACKFILL_EVENTS", "4000"))
KILLS = int(os.environ.get("TOUCHSTONE_BACKFILL_KILLS", "4"))
AUDITS_PER_S = float(os.environ.get("TOUCHSTONE_BACKFILL_AUDITS_PER_S", "20"))
SUBMITTERS = 64
ALONE_S = 10 + EVENTS / 4_000
"""So long audits come in without a backfill, to compare with."""
QUIET_S = 900
COMMAND = (sys.executable, "-m", "touchstone.cli", "backfill", "certification", "--json", "--role", "operator")
RECORDED: str = OrganisationRecorded.type_name  # type: ignore[attr-defined]
DAY = datetime.date(2020, 3, 1)
MIB = 2**20
OF_THE_LOG = {"_id": {"$regex": "^organisation-"}}

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@contextlib.contextmanager
def databases(system: System) -> Iterator[Callable[[str], Any]]:
    client: MongoClient
    with MongoClient(system.mongo_uri) as client:
        yield lambda service: client[system.database(service)]


def grow(database: Any, count: int) -> None:
    """Into membership's log, records of so many organisations, as they would have been announced in years."""
    now = datetime.datetime.now(datetime.UTC)
    for start in range(0, count, 5_000):
        events = [an_entry(f"organisation-{number:07}", now) for number in range(start, min(start + 5_000, count))]
        database["events"].insert_many(events)
    database["event_counts"].update_one({"_id": RECORDED}, {"$inc": {"count": count}}, upsert=True)


def an_entry(member_id: str, now: datetime.datetime) -> dict[str, Any]:
    event = OrganisationRecorded(
        member_id=member_id,
        legal_name=f"Works of {member_id} (example)",
        member_class="PT",
        country="DE",
        state="active",
        effective_on=DAY,
        reasons=[],
        joined_on=DAY,
    )
    id = new_id()
    message = wrap(event, id=id, time=now, sequence=2, correlation_id=id)
    return {
        "_id": id,
        "exchange": "membership.events",
        "routing_key": RECORDED.partition(".")[2],
        "type": RECORDED,
        "subject": member_id,
        "sequence": 2,
        "correlation_id": id,
        "causation_id": None,
        "trigger": "activate",
        "by": "registrar-1",
        "body": orjson.dumps(message),
        "signature": None,
        "personal": False,
        "attempts": 0,
        "recorded_at": now,
        "published_at": now,
    }


def hash_of_copies(database: Any) -> str:
    """Of what certification knows of the organisations in the log."""
    digest = hashlib.sha256()
    for document in database["members"].find(OF_THE_LOG, sort=[("_id", 1)]):
        digest.update(encode(dict(sorted(document.items()))))
    return digest.hexdigest()


def a_world() -> World:
    """With one person to tell: three mails for each audit would be the whole load."""
    world = small_world()
    told = [contact for contact in world.setup["contacts"] if contact["party"]["kind"] == "member"]
    return dataclasses.replace(world, setup=world.setup | {"contacts": told})


class LiveAudits:
    """Hands in and accepts so many audits a second until it is told to stop.

    Notes how many seconds each submission took, and how many seconds of a core each service needed meanwhile.
    """

    _numbers = itertools.count()

    def __init__(self, system: System, world: World) -> None:
        self._system, self._world, self._stopped = system, world, threading.Event()
        self._pool, self._running = ThreadPoolExecutor(SUBMITTERS), list[Future[None]]()
        self._turns = itertools.count()
        self.took_s: list[float] = []

    def __enter__(self) -> "LiveAudits":
        self._began, self._before_s = time.monotonic(), self._processor_s()
        self._running = [self._pool.submit(self._run) for _ in range(SUBMITTERS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for submitter in self._running:
            submitter.result()
        self._lasted_s = time.monotonic() - self._began
        self._used_s = {name: after - self._before_s[name] for name, after in self._processor_s().items()}

    def _run(self) -> None:
        with Register(self._system.calls_uri, self._system.token, timeout_s=60) as register:
            while not self._stopped.wait(max(0.0, self._began + next(self._turns) / AUDITS_PER_S - time.monotonic())):
                report, _outcome = a_report(self._world, next(self._numbers))
                register.call(self._world.member, "membership.register_entity", **entity_of(report))
                began = time.monotonic()
                handed_in = register.call(self._world.body, "assessment.submit_audit_report", report=report)
                self.took_s.append(time.monotonic() - began)
                register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=handed_in["audit_id"])

    def _processor_s(self) -> dict[str, float]:
        processes = {name: psutil.Process(self._system.processes[name].pid) for name in SERVICES}
        return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}

    def __str__(self) -> str:
        ordered, lasted_s = sorted(self.took_s), self._lasted_s
        median_ms, p99_ms = (1000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        used = {name: f"{100 * s / lasted_s:.0f} %" for name, s in self._used_s.items()}
        each_ms = 1000 * sum(self._used_s.values()) / len(ordered)
        return (
            f"{len(ordered) / lasted_s:.0f} audits/s for {lasted_s:.0f} s; submission: median {median_ms:.1f} ms,"
            f" p99 {p99_ms:.1f} ms; of a core: {', '.join(f'{name} {share}' for name, share in used.items())};"
            f" {each_ms:.1f} ms of it for each audit"
        )


def start(system: System) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        COMMAND, env={**os.environ, **system.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(system: System) -> float:
    """Fill to the end; how many seconds it took."""
    began, running = time.monotonic(), start(system)
    _out, error = running.communicate()
    assert running.returncode == 0, error.decode()
    return time.monotonic() - began


def kill_again_and_again(system: System, runs: Any, say: Say) -> None:
    """Spread evenly over its way: membership's `runs` know how much the one that is under way has sent."""
    finished = runs.find_one({"_id": "certification"})["run"]

    def sent() -> int:
        known = runs.find_one({"_id": "certification"})
        return 0 if known["run"] == finished else int(known["sent"])

    for number in range(1, KILLS + 1):
        running, due = start(system), EVENTS * number / (KILLS + 1)
        eventually(lambda running=running, due=due: sent() >= due or running.poll() is not None, within_s=QUIET_S)
        assert running.poll() is None, "there was nothing left to kill"
        running.send_signal(signal.SIGKILL)
        running.wait()
        say(f"kill {number}: {sent()} of {EVENTS} events were sent")


def sizes(database: Callable[[str], Any]) -> str:
    """What the log and the two databases take on disk, compressed, with their indexes."""
    database("membership").client.admin.command("fsync")
    log = database("membership").command("collStats", "events")
    on_disk = log["storageSize"] + log["totalIndexSize"]
    said = (
        f"the log: {log['count']} events, {log['size'] / log['count']:.0f} bytes each, {on_disk / MIB:.0f} MiB on disk"
    )
    for service in ("membership", "certification"):
        whole = database(service).command("dbStats")
        said += f"; {service}'s database: {(whole['storageSize'] + whole['indexSize']) / MIB:.0f} MiB"
    return said


def test_a_backfill_that_is_killed_again_and_again_beside_live_audits_fills_all_the_same(
    own_system: System, say: Say
) -> None:
    def be_quiet() -> None:
        wait_until_quiet(own_system.amqp_uri, own_system.mongo_uri, own_system.database_prefix, timeout_s=QUIET_S)

    with databases(own_system) as database:
        world = a_world()
        with Register(own_system.calls_uri, own_system.token) as register:
            stage(register, world)
        be_quiet()
        grow(database("membership"), EVENTS)
        with LiveAudits(own_system, world) as alone:
            time.sleep(ALONE_S)
        say(f"alone: {alone}")
        be_quiet()
        took_s = finish(own_system)
        say(f"{EVENTS} events in {took_s:.0f} s, {EVENTS / took_s:.0f} a second; {sizes(database)}")
        copies = database("certification")["members"]
        before = hash_of_copies(database("certification"))
        assert copies.count_documents(OF_THE_LOG) == EVENTS

        copies.delete_many(OF_THE_LOG)
        began = time.monotonic()
        with LiveAudits(own_system, world) as beside:
            kill_again_and_again(own_system, database("membership")["backfills"], say)
            finish(own_system)
        say(f"beside a backfill that was killed {KILLS} times, {time.monotonic() - began:.0f} s in all: {beside}")

        assert hash_of_copies(database("certification")) == before
        be_quiet()
        say(f"when all is quiet: {sizes(database)}; {before[:12]} is the hash of the copies, as before")
        own = {"state": "decided", "_id": {"$regex": f"^{world.case.body_id}\\."}}
        decided = database("certification")["cases"].count_documents(own)
        assert decided == len(alone.took_s) + len(beside.took_s)
