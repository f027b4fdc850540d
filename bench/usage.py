"""Reads what processes use from /proc: CPU time of whole process trees, resident memory, and what others use."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
_IDLE_COLUMNS = (3, 4, 5, 6)
"""idle, iowait; and the two kinds of interrupts, which nobody can be charged with. Columns 8 and 9 are in 0 and 1."""
_COUNTED_COLUMNS = 8


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """CPU seconds used so far, by group of processes, and by the whole machine; `at` by the machine's uptime."""

    at: float
    machine_s: float
    groups_s: Mapping[str, float]


def snapshot(groups: Mapping[str, Sequence[int]]) -> Snapshot:
    """`groups` name the roots of process trees; this process counts as `harness`."""
    table = _table()
    trees = {name: _tree(roots, table) for name, roots in groups.items()}
    trees["harness"] = {os.getpid()}  # with those that it has waited for: load generators that have ended
    groups_s = {name: sum(sum(table[pid][1]) for pid in tree) / TICKS_PER_S for name, tree in trees.items()}
    return Snapshot(at=_uptime_s(), machine_s=machine_busy_s(), groups_s=groups_s)


def used_s(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """CPU seconds of each group in between. A group that lost a process in between is counted too low."""
    return {name: max(0.0, s - before.groups_s.get(name, 0.0)) for name, s in after.groups_s.items()}


def foreign_share(before: Snapshot, after: Snapshot) -> float:
    """The part of the machine's capacity, 0 to 1, that processes of no group used in between."""
    capacity_s = (after.at - before.at) * CORES
    foreign_s = after.machine_s - before.machine_s - sum(used_s(before, after).values())
    return max(0.0, foreign_s) / capacity_s if capacity_s > 0 else 0.0


def resident_mib(pid: int) -> float:
    """VmRSS; 0.0 of a process that has gone."""
    try:
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def names_in_tree(root: int) -> set[str]:
    """Names of all programs in the tree of a process."""
    found = set()
    for pid in _tree([root], _table()):
        try:
            found.add((PROC / str(pid) / "comm").read_text().strip())
        except OSError:
            continue
    return found


def machine_busy_s(text: str | None = None) -> float:
    """CPU seconds of all processes of the machine, and what a hypervisor gave to others, since it was started."""
    first = (text if text is not None else (PROC / "stat").read_text()).splitlines()[0]
    columns = [int(column) for column in first.split()[1 : _COUNTED_COLUMNS + 1]]
    return sum(ticks for index, ticks in enumerate(columns) if index not in _IDLE_COLUMNS) / TICKS_PER_S


def _uptime_s() -> float:
    return float((PROC / "uptime").read_text().split()[0])


def _table() -> dict[int, tuple[int, list[int]]]:
    """Each process: its parent, and its ticks (user, system, and the same of children that it has waited for)."""
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(entry.name)] = int(fields[1]), [int(field) for field in fields[11:15]]
    return found


def _tree(roots: Iterable[int], table: Mapping[int, tuple[int, list[int]]]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    left = [pid for pid in roots if pid in table]
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found
