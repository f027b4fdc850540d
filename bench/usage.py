"""Reads what processes use: CPU time of whole process trees, resident memory, and what others use."""

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

import psutil

from touchstone_devkit.backing.choosing import Backing

CORES = psutil.cpu_count() or 1
PROGRAMS = {"broker": "beam", "database": "mongod", "network": "docker-proxy"}
"""How the names of the servers' programs begin, and of proxies that a Docker engine puts before published ports."""
Groups = Mapping[str, Iterable[int]]
"""Roots of process trees."""


def servers_of(backing: Backing) -> Groups | None:
    """Processes of servers that the backing started itself, on this machine; None where they cannot be told."""
    if backing.kind == "environment":
        return None
    there = psutil.process_iter() if backing.kind == "docker" else psutil.Process().children(recursive=True)
    names = {process.pid: name for process in there if (name := _name(process))}
    found = {group: [pid for pid in names if names[pid].startswith(p)] for group, p in PROGRAMS.items()}
    return found if found["broker"] and found["database"] else None


class Meter:
    """What groups of processes use from now on; this process is one of them, with those that it has waited for."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._before = self._read()

    def used(self, count: int) -> dict[str, Any]:
        """CPU milliseconds for each of `count` audits, and what others used; None where it cannot be told."""
        spent_s, foreign_share = spent(self._before, self._read())
        each_ms = {name: round(s * 1000 / count, 3) for name, s in spent_s.items()}
        return {
            **{f"{name}_cpu_ms": each_ms.get(name) for name in ("service", "broker", "database")},
            "foreign_share": round(foreign_share, 4) if "broker" in self._groups else None,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def _read(self) -> dict[str, float]:
        groups_s = {name: _cpu_s(roots) for name, roots in self._groups.items()}
        own_s = sum(psutil.Process().cpu_times()[:4])
        return groups_s | {"own": own_s, "elapsed": time.monotonic(), "machine": busy_s(psutil.cpu_times())}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """CPU seconds of each group, and the part of the machine's capacity, 0 to 1, that processes of no group used.

    A group that lost a process in between is counted too low.
    """
    spent_s = {name: max(0.0, s - before[name]) for name, s in after.items()}
    capacity_s, machine_s = spent_s.pop("elapsed") * CORES, spent_s.pop("machine")
    return spent_s, max(0.0, machine_s - sum(spent_s.values())) / capacity_s


def busy_s(times: Any) -> float:
    """Without waiting and interrupts, which nobody can be charged with; with what a hypervisor gave to others."""
    return float(times.user + times.nice + times.system + times.steal)


def resident_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Of each process that is there."""
    found = {}
    for name, pid in pids.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            found[name] = round(psutil.Process(pid).memory_info().rss / 2**20, 1)
    return found


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return str(process.name())
    return ""


def _cpu_s(roots: Iterable[int]) -> float:
    """User and system time of whole trees, also of children that they have waited for."""
    tree, spent_s = set[psutil.Process](), 0.0
    for pid in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            tree |= {root, *root.children(recursive=True)}
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            spent_s += sum(process.cpu_times()[:4])
    return spent_s
