"""Carries out a plan of deployments on a running system while audits are handed in, and says what came of it."""

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pika.exceptions
from harness import checks
from harness.finding import find
from harness.workload import Say, Workload, prepare, settle
from pymongo import MongoClient
from rolling.plans import NEW, OLD, Step
from rolling.releases import Release

from touchstone.rpc.blocking import open_connection
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.system.runner import SERVICES, System

AUDITS_EACH = 6
"""So many for each step of a plan: half of them are handed in while a service restarts."""
SETTLE_S = 120


@dataclasses.dataclass
class Outcome:
    """What a plan led to."""

    faults: list[checks.Fault]
    failures: list[str]
    """Calls that were refused, or not healed by the same call again."""
    calls: dict[str, int]
    events: list[dict]
    steps_done: int
    took_s: list[float]
    """How long each step took until the service was ready again."""


class _Deploying:
    """Takes the steps one after the other; each while its share of the audits is under way."""

    def __init__(self, system: System, releases: dict[str, Release], steps: Sequence[Step], say: Say) -> None:
        self.done: list[float] = []
        self.failure: BaseException | None = None
        self._system, self._releases, self._steps, self._say = system, releases, steps, say
        self._ended = threading.Event()

    def allows(self, started: int) -> bool:
        """Whether one more audit may begin: the work must not run ahead of the steps."""
        return self.failure is not None or started < AUDITS_EACH * (len(self.done) + 1)

    def run(self, workload: Workload) -> None:
        try:
            for index, (service, which) in enumerate(self._steps):
                while len(workload.accepted) + len(workload.failures) < AUDITS_EACH * (index + 0.5):
                    if self._ended.wait(0.02):
                        return
                begun = time.monotonic()
                self._releases[which].deploy(self._system, service)
                self.done.append(time.monotonic() - begun)
                name = self._releases[which].name
                self._say(f"{index + 1} of {len(self._steps)}: {service} runs {name} ({self.done[-1]:.1f} s)")
        except BaseException as failure:  # told to the test, which waits for this thread
            self.failure = failure

    def end(self) -> None:
        self._ended.set()


def roll(
    system: System, old: Release, new: Release, steps: Sequence[Step], say: Say, *, settle_s: float = SETTLE_S
) -> Outcome:
    """All services on the old release; the new one's queues; then the steps, under load; then the comparison.

    A plan ends where it began. What the new release's queues still hold then is read by it once more: it counts once.
    Raises TimeoutError when something does not come to its end within `settle_s`.
    """
    deploy_everywhere(system, old)
    say(f"all services run {old.name}")
    with _without_rule_sets_beyond(old.rule_set, system), Scheme(system.environment) as scheme:
        mails_before = list(system.mail_folder.glob("*.eml"))
        world = prepare(scheme, rule_set=old.rule_set)
        wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=SETTLE_S)
        new.provision(system)
        workload = Workload(system, world, AUDITS_EACH * len(steps))
        deploying = _work_through(system, workload, {OLD: old, NEW: new}, steps, say)
        settle(scheme, system, 3 * len(workload.accepted), timeout_s=settle_s, say=say)
        if new.queues:
            deploy_everywhere(system, new)
            wait_until_read(system, new)
        settle(scheme, system, 3 * len(workload.accepted), timeout_s=settle_s, say=say)
        found = find(scheme, system, world, mandates=workload.mandates, mails_before=mails_before)
        faults = checks.faults(workload.expected(), found)
    return Outcome(
        faults, workload.failures, workload.history.counts(), found.events, len(deploying.done), deploying.done
    )


@contextmanager
def _without_rule_sets_beyond(newest: int, system: System) -> Iterator[None]:
    """A database that an older release used has what that one knew: what is newer is published by a person.

    Later tests on this system find it published.
    """
    with MongoClient[Any](system.mongo_uri) as client:
        rule_sets = client[system.database("certification")]["rule_sets"]
        newer = {"reference_version": {"$gt": newest}}
        taken = list(rule_sets.find(newer))
        rule_sets.delete_many(newer)
        try:
            yield
        finally:
            if taken:
                rule_sets.insert_many(taken)


def _work_through(
    system: System, workload: Workload, releases: dict[str, Release], steps: Sequence[Step], say: Say
) -> _Deploying:
    deploying = _Deploying(system, releases, steps, say)
    thread = threading.Thread(target=deploying.run, args=(workload,), daemon=True)
    thread.start()
    try:
        workload.run(deploying.allows)
        thread.join(timeout=SETTLE_S)
    finally:
        deploying.end()
        thread.join(timeout=SETTLE_S)
    if deploying.failure is not None:
        raise deploying.failure
    return deploying


def deploy_everywhere(system: System, release: Release) -> None:
    """All services at once."""
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        list(pool.map(lambda service: release.deploy(system, service), SERVICES))


def wait_until_read(system: System, release: Release) -> None:
    """Until the queues that only this release reads are empty."""
    until = time.monotonic() + SETTLE_S
    while left := {queue: n for queue in release.queues if (n := _length(system, queue))}:
        assert time.monotonic() < until, f"not read after {SETTLE_S} s: {left}"
        time.sleep(0.1)


def _length(system: System, queue: str) -> int:
    with open_connection(system.amqp_uri, client_name="upgrade test", wait_s=5) as connection:
        channel = connection.channel()
        try:
            return channel.queue_declare(queue, passive=True).method.message_count
        except pika.exceptions.ChannelClosedByBroker as error:
            raise AssertionError(f"{queue} was not provisioned") from error
