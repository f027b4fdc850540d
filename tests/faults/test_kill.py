"""Audits are handed in while every service is killed: nothing is lost and nothing happens twice."""

import random
import secrets
import signal
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from harness import checks
from harness.finding import find
from harness.workload import Say, Workload, prepare, settle

from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.system.runner import SERVICES, System

SETTLE_S = 120


class Killer:
    """Kills each service so many times, in a random order, spread evenly over the work."""

    def __init__(self, system: System, say: Say, seed: int, *, audits: int, kills_each: int) -> None:
        self.kills: list[str] = []
        self._audits = audits
        self._order = [service for service in SERVICES for _ in range(kills_each)]
        random.Random(seed).shuffle(self._order)
        self._system = system
        self._say = say

    def allows(self, started: int) -> bool:
        """Whether work may go on: it must not run ahead of the kills."""
        return started <= self._audits * (len(self.kills) + 1) / len(self._order)

    def run(self, done: Callable[[], int], ended: threading.Event) -> None:
        """Each kill falls while its share of the work is under way and its victim has come back from the last one."""
        for step, service in enumerate(self._order):
            process = self._system.processes[service]
            while not (done() >= self._audits * (step + 0.5) / len(self._order) and process.is_ready()):
                if ended.wait(timeout=0.02):
                    return
            self._system.kill(service, signal.SIGKILL)
            self.kills.append(service)
            self._say(f"killed {service} when {done()} of {self._audits} audits were accepted")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("audits", "kills_each"), [(48, 1), pytest.param(200, 3, marks=pytest.mark.long)])
def test_kills_lose_nothing_and_double_nothing(own_system: System, say: Say, audits: int, kills_each: int) -> None:
    seed = secrets.randbelow(1_000_000)
    say(f"seed {seed}")
    restarts_before = {service: own_system.processes[service].restarts for service in SERVICES}
    mails_before = list(own_system.mail_folder.glob("*.eml"))
    with Scheme(own_system.environment) as scheme:
        world = prepare(scheme)
        killer = Killer(own_system, say, seed, audits=audits, kills_each=kills_each)
        workload = Workload(own_system, world, audits)

        run_all(workload, killer)
        own_system.wait_until_ready(timeout_s=60)
        say(f"all {len(workload.accepted)} audits accepted; calls: {workload.history.counts()}")
        settle(scheme, own_system, 3 * audits, timeout_s=SETTLE_S, say=say)
        found = find(scheme, own_system, world, mandates=workload.mandates, mails_before=mails_before)

    assert workload.failures == []
    assert len(workload.accepted) == audits and len(world.contact_ids) == 3
    assert Counter(killer.kills) == dict.fromkeys(SERVICES, kills_each)
    assert all(own_system.processes[s].restarts - restarts_before[s] >= kills_each for s in SERVICES)
    assert checks.faults(workload.expected(), found) == []
    say(f"{checks.mails_again(found)} mails came again, with the same Message-ID")
    say("exactly one decision, one certificate or refusal, and one notice for each person, for every audit")


def run_all(workload: Workload, killer: Killer) -> None:
    ended = threading.Event()
    killing = threading.Thread(target=killer.run, args=(lambda: len(workload.accepted), ended), daemon=True)
    killing.start()
    try:
        workload.run(killer.allows)
        killing.join(timeout=60)
    finally:
        ended.set()
        killing.join(timeout=10)
