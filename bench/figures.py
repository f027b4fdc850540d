"""Measures a running system once: audits a second, latency from submission to last notice, memory of each process.

    .venv/bin/python bench/figures.py [--audits 400] [--submitters 16] [--alone 60]

These are figures of this machine at this moment, for an overview; they are no benchmark and compare with nothing.
An audit is submitted by RPC with a token (62 criteria, no non-conformity), accepted by RPC, decided, certified, and
told to three people by SMTP. Latency: from the start of the submitting call to the mail server's yes to the last of its
notices. Throughput: all audits, from the first submission to the last notice.
"""

import argparse
import datetime
import json
import secrets
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from touchstone_devkit.backing import start_backing
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT, Register
from touchstone_devkit.demo.worlds import World, a_world, stage
from touchstone_devkit.runner import System

NOTICES_EACH = 3
GIVE_UP_S = 300


def one_person_for_each_party(world: World) -> World:
    firsts = {(c["party"]["kind"], c["party"]["id"]): c for c in reversed(world.setup["contacts"])}
    return World(world.case, world.setup | {"contacts": list(firsts.values())})


class Run:
    """Hands in audits and notes when each began; then finds out when the last notice of each was sent."""

    def __init__(self, system: System, world: World) -> None:
        self._system, self._world = system, world
        self._local = threading.local()
        self.begun: dict[str, float] = {}

    def carry_out(self, index: int) -> None:
        entity = {"id": f"works-{index}", "name": f"Fictional works {index} (example)", "country": "DE"}
        report = self._world.conforming(report_id=f"figures-{index}", entity=entity)
        begun = time.time()
        audit_id = self._register().call(self._world.body, "assessment.submit_audit_report", report=report)["audit_id"]
        self._register().call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
        self.begun[audit_id] = begun

    def told_at(self, audit_id: str) -> float:
        """Unix time of the last notice about an audit; waits until there is one for each person."""
        until = time.monotonic() + GIVE_UP_S
        while time.monotonic() < until:
            notices = self._register().call(OPERATOR, "notification.list_notices", audit_id=audit_id)["items"]
            sent = [notice["sent_at"] for notice in notices if notice["state"] == "sent"]
            if len(sent) == NOTICES_EACH:
                return max(datetime.datetime.fromisoformat(moment).timestamp() for moment in sent)
            time.sleep(0.05)
        raise SystemExit(f"the notices about {audit_id} were not sent in {GIVE_UP_S} s")

    def _register(self) -> Register:
        if not hasattr(self._local, "register"):
            self._local.register = Register(self._system.amqp_uri, self._system.token, timeout_s=60)
        return self._local.register


def alone(run: Run, count: int) -> dict[str, Any]:
    """Latency when there is one audit at a time."""
    latencies_ms = []
    for index in range(count):
        run.carry_out(index)
        audit_id = next(reversed(run.begun))
        latencies_ms.append((run.told_at(audit_id) - run.begun[audit_id]) * 1000)
    ordered = sorted(latencies_ms)
    return {
        "audits": count,
        "median_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
    }


def together(run: Run, first: int, count: int, submitters: int) -> dict[str, Any]:
    """Throughput when many hand in at once."""
    run.begun.clear()
    with ThreadPoolExecutor(submitters) as pool:
        for done, _ in enumerate(pool.map(run.carry_out, range(first, first + count)), 1):
            if done % 100 == 0:
                print(f"  {done} of {count} accepted", file=sys.stderr, flush=True)
    told = max(run.told_at(audit_id) for audit_id in list(run.begun))
    seconds = told - min(run.begun.values())
    return {"audits": count, "submitters": submitters, "audits_per_s": round(count / seconds, 1)}


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=400)
    parser.add_argument("--submitters", type=int, default=16)
    parser.add_argument("--alone", type=int, default=60)
    given = parser.parse_args()
    with start_backing() as backing, System(backing=backing) as system:
        world = one_person_for_each_party(a_world("a minor, plan approved", secrets.token_hex(3)))
        with Register(system.amqp_uri, system.token) as register:
            stage(register, world)
        run = Run(system, world)
        print("one audit at a time", file=sys.stderr, flush=True)
        figures: dict[str, Any] = {"alone": alone(run, given.alone)}
        print(f"{given.submitters} submitters", file=sys.stderr, flush=True)
        figures["together"] = together(run, given.alone, given.audits, given.submitters)
        figures["resident_mib"] = {name: resident_mib(p.pid) for name, p in system.processes.items() if p.pid}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
