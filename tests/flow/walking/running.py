"""Takes one audit from its submission to the mail through a real system, and notes what each step did on the way.

Needs of the devkit only what older checkouts have, too, so that two of them can be walked and counted alike.
"""

import dataclasses
import datetime
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pymongo

from touchstone_devkit.demo.register import SECRETARIAT, Register
from touchstone_devkit.demo.worlds import World, a_world, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.folders import CHECKOUT

try:
    from touchstone_devkit.system.runner import System
except ImportError:  # an older checkout
    from touchstone_devkit.runner import System

RECORDER = Path(__file__).with_name("recorder")
SERVICES = sorted(path.parent.name for path in CHECKOUT.glob("services/*/pyproject.toml"))
PACKAGES = ["touchstone_chassis", "touchstone_contracts", *SERVICES]
CASE = "a minor, plan approved"
COUNTS = ("event_counts", "handled_counts")
"""What is written when it may be: the move into the log, and the tally of what was handled."""
IDLE_S = 15
"""Longer than every loop in the background takes to come round."""
SETTLED_S = 1.5
GIVE_UP_S = 90
CHECKED_AFTER_S = 4
"""Before this, notification does not look again whether everybody was told (`check_after_s`), which is no step."""
JOB_QUEUE = ("touchstone_chassis.scheduling", "touchstone_chassis.deadlines")
"""What hands out jobs, now and in older checkouts: where the last step begins."""
STEPS = {
    "submission": ("assessment", "call", "submit_audit_report"),
    "acceptance": ("assessment", "call", "accept_audit_report"),
    "decision": ("certification", "event", "assessment.audit_accepted.v1"),
    "announcement": ("notification", "event", "certification.certificate_issued.v1"),
    "sending": ("notification", "job", "send_notice"),
}
"""By its name the service of each step, and what it begins with."""


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a function of ours; `frames` of ours are on the stack then, with it.

    `back`: its module is on the stack already, below another one.
    """

    at: float
    greenlet: int
    frames: int
    back: bool
    module: str
    function: str


@dataclasses.dataclass(frozen=True)
class Step:
    """What one service did; `transactions` hold the collections that each wrote, `published` types of events."""

    name: str
    calls: Sequence[Call]
    transactions: Sequence[frozenset[str]]
    published: Sequence[str]
    scheduled: Sequence[str]


@dataclasses.dataclass(frozen=True)
class _Write:
    """What a transaction did to one document."""

    at: float
    service: str
    transaction: Any
    collection: str
    document: dict[str, Any]


class _Writes:
    """Everything that the services commit from now on, in transactions."""

    def __init__(self, mongo: pymongo.MongoClient, prefix: str):
        self._prefix = f"{prefix}_"
        self._stream = mongo.watch([{"$match": {"ns.db": {"$regex": f"^{self._prefix}"}}}])

    def so_far(self) -> Iterator[_Write]:
        while (change := self._stream.try_next()) is not None:
            if "txnNumber" in change:
                service = change["ns"]["db"].removeprefix(self._prefix)
                transaction = (change["lsid"]["id"], change["txnNumber"])
                at = change["wallTime"].replace(tzinfo=datetime.UTC).timestamp()
                yield _Write(at, service, transaction, change["ns"]["coll"], change.get("fullDocument") or {})


def walk(say: Callable[[str], None] = print, **of_the_system: Any) -> list[Step]:
    """The steps of one audit that is certified and told to one person, after another one went the same way."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PYTHONPATH": str(RECORDER), "WALK_FOLDER": folder, "WALK_PACKAGES": ",".join(PACKAGES)}
        with System(environment=environment, announce=say, **of_the_system) as system:
            times, writes = _take_through(system, say)
        return list(_steps({service: _recorded(Path(folder, service)) for service in SERVICES}, times, writes))


def _take_through(system: System, say: Callable[[str], None]) -> tuple[dict[str, float], list[_Write]]:
    """When each part began, in order, and what was written."""
    worlds, times = [_told_to_one(a_world(CASE, suffix)) for suffix in ("first", "walk")], {}
    with Register(system.calls_uri, system.token) as register, pymongo.MongoClient(system.mongo_uri) as mongo:
        for world in worlds:
            stage(register, world)
        _wait(system, mongo, mails=0)
        register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=_submit(register, worlds[0]))
        _wait(system, mongo, mails=1)
        say(f"one audit went through; nothing happens for {IDLE_S} s")
        times["idle"] = time.time()
        time.sleep(IDLE_S)
        writes = _Writes(mongo, system.database_prefix)
        times["submission"] = time.time()
        audit_id = _submit(register, worlds[1])
        _wait(system, mongo, mails=1)
        times["acceptance"] = time.time()
        register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
        _wait(system, mongo, mails=2)
        times["end"] = time.time()
        return times, list(writes.so_far())


def _told_to_one(world: World) -> World:
    own = [contact for contact in world.setup["contacts"] if contact["party"]["kind"] == "member"]
    world.setup["contacts"] = own[:1]
    return world


def _submit(register: Register, world: World) -> str:
    return register.call(world.body, "assessment.submit_audit_report", report=world.report())["audit_id"]


def _wait(system: System, mongo: pymongo.MongoClient, *, mails: int) -> None:
    """Until so many mails are there, all events are published, no job is due soon, and what follows that is over."""
    databases = [mongo[system.database(service)] for service in SERVICES]

    def over() -> bool:
        soon = {"$lt": datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)}
        late = [database["deadlines"].count_documents({"due_at": soon}) for database in databases]
        return not any(late) and not any(d["outbox"].count_documents({"pending": True}) for d in databases)

    eventually(lambda: len(list(system.mail_folder.glob("*.eml"))) >= mails, within_s=GIVE_UP_S)
    eventually(over, within_s=GIVE_UP_S, every_s=0.2)
    time.sleep(SETTLED_S)


def _recorded(path: Path) -> list[Call]:
    if not path.exists():
        raise RuntimeError(f"{path.name} recorded nothing: is {os.fspath(RECORDER)} on its PYTHONPATH?")
    lines = (line.split("\t") for line in path.read_text().splitlines())
    return [Call(float(at), int(who), int(frames), back == "1", *name) for at, who, frames, back, *name in lines]


def without_background(calls: Iterable[Call], idle: tuple[float, float]) -> list[Call]:
    """Without what a greenlet that began with the same function called when nothing happened, too."""
    began: dict[int, str] = {}
    rooted = [(began.setdefault(call.greenlet, f"{call.module}.{call.function}"), call) for call in calls]
    background = {(root, c.module, c.function) for root, c in rooted if idle[0] <= c.at < idle[1]}
    return [call for root, call in rooted if (root, call.module, call.function) not in background]


def moments(calls: Sequence[Call], first: dict[int, Call], since: float) -> list[tuple[float, Call]]:
    """When each call counts: in a greenlet that began after `since`, as what it began with, for it is of one step."""
    return [(first[c.greenlet].at if first[c.greenlet].at >= since else c.at, c) for c in calls]


def _steps(recorded: dict[str, list[Call]], times: dict[str, float], writes: list[_Write]) -> Iterator[Step]:
    idle, end = (times["idle"], times["submission"]), times["end"]
    counted, told = {}, end
    for service, found in recorded.items():
        first = {call.greenlet: call for call in reversed(found)}
        counted[service] = moments(without_background(found, idle), first, times["submission"])
        if service == STEPS["sending"][0]:  # which begins when the job queue finds something to do
            by_queue = (at for at, call in counted[service] if first[call.greenlet].module.startswith(JOB_QUEUE))
            told = next(at for at in by_queue if at >= times["acceptance"])
    spans = {"submission": (times["submission"], times["acceptance"]), "announcement": (times["acceptance"], told)}
    spans["sending"] = (told, told + CHECKED_AFTER_S)
    for name, (service, _kind, _by) in STEPS.items():
        since, until = spans.get(name, (times["acceptance"], end))
        own = [write for write in writes if write.service == service and since <= write.at < until]
        beside = {write.transaction for write in own if write.collection in COUNTS}
        own = [write for write in own if write.transaction not in beside]
        transactions: dict[Any, set[str]] = {}
        for write in own:
            transactions.setdefault(write.transaction, set()).add(write.collection)
        yield Step(
            name,
            [call for at, call in counted[service] if since <= at < until],
            [frozenset(collections) for collections in transactions.values()],
            [w.document["type"] for w in own if w.collection == "outbox" and "exchange" in w.document],
            [w.document["kind"] for w in own if w.collection == "deadlines" and "kind" in w.document],
        )
