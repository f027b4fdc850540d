"""A service is filled from a long log beside live audits, and killed on its way: its copies are as they were.

TOUCHSTONE_BACKFILL_EVENTS=200000 says how long the log is, TOUCHSTONE_BACKFILL_KILLS=10 how often.
"""

import contextlib
import datetime
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from bson import encode
from harness.workload import Say, a_report, small_world
from pymongo import MongoClient

from touchstone_chassis.unit_of_work.ids import new_id
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.membership import OrganisationRecorded
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import SECRETARIAT, Register
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.system.runner import System

EVENTS = int(os.environ.get("TOUCHSTONE_BACKFILL_EVENTS", "4000"))
KILLS = int(os.environ.get("TOUCHSTONE_BACKFILL_KILLS", "4"))
COMMAND = (sys.executable, "-m", "touchstone.cli", "backfill", "certification", "--json", "--role", "operator")
RECORDED: str = OrganisationRecorded.type_name  # type: ignore[attr-defined]
DAY = datetime.date(2020, 3, 1)

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
    for document in database["members"].find({"_id": {"$regex": "^organisation-"}}, sort=[("_id", 1)]):
        digest.update(encode(dict(sorted(document.items()))))
    return digest.hexdigest()


class LiveAudits:
    """Hands in and accepts audits until it is told to stop, and notes how long each took."""

    def __init__(self, system: System, world: World) -> None:
        self._system, self._world, self._stopped = system, world, threading.Event()
        self.took_s: list[float] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]

    def __enter__(self) -> "LiveAudits":
        self.began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self.lasted_s = time.monotonic() - self.began

    def _run(self, number: int) -> None:
        with Register(self._system.calls_uri, self._system.token) as register:
            while not self._stopped.is_set():
                began = time.monotonic()
                report, _outcome = a_report(self._world, number + 4 * len(self.took_s) + random.randrange(10**9))
                handed_in = register.call(self._world.body, "assessment.submit_audit_report", report=report)
                register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=handed_in["audit_id"])
                self.took_s.append(time.monotonic() - began)

    def __str__(self) -> str:
        ordered = sorted(self.took_s)
        median_ms, p99_ms = (1000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        return f"{len(ordered) / self.lasted_s:.0f} audits/s live, median {median_ms:.0f} ms, p99 {p99_ms:.0f} ms"


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


def test_a_backfill_that_is_killed_again_and_again_beside_live_audits_fills_all_the_same(
    own_system: System, say: Say
) -> None:
    with Scheme(own_system.environment) as scheme, databases(own_system) as database:
        world = small_world()
        stage(scheme.register, world)
        wait_until_quiet(own_system.amqp_uri, own_system.mongo_uri, own_system.database_prefix, timeout_s=90)
        grow(database("membership"), EVENTS)
        with LiveAudits(own_system, world) as alone:
            time.sleep(10)
        say(f"alone: {alone}")
        took_s = finish(own_system)
        size = database("membership").command("collStats", "events")
        megabytes = (size["storageSize"] + size["totalIndexSize"]) / 2**20
        say(f"{EVENTS} events in {took_s:.0f} s, {EVENTS / took_s:.0f} a second; the log takes {megabytes:.0f} MiB")
        before = hash_of_copies(database("certification"))
        assert database("certification")["members"].count_documents({}) > EVENTS

        database("certification")["members"].delete_many({"_id": {"$regex": "^organisation-"}})
        with LiveAudits(own_system, world) as beside:
            for _ in range(KILLS):
                running = start(own_system)
                time.sleep(random.uniform(1.5, 1.5 + took_s / KILLS))
                running.send_signal(signal.SIGKILL)
                running.wait()
            rest_s = finish(own_system)
        say(f"beside a backfill that was killed {KILLS} times: {beside}; the last run took {rest_s:.0f} s")

        assert hash_of_copies(database("certification")) == before
        wait_until_quiet(own_system.amqp_uri, own_system.mongo_uri, own_system.database_prefix, timeout_s=300)
        decided = database("certification")["cases"].count_documents({"state": "decided"})
        assert decided == len(alone.took_s) + len(beside.took_s)
