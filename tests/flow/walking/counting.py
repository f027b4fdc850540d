"""Counts a walk: functions, the modules that they are in, and how often it comes back to one that it had left."""

import ast
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from walking.running import STEPS, Call, Step

from touchstone_devkit.folders import CHECKOUT

ENTRYPOINTS = {"command", "query", "on_event", "on_message", "on_job", "on_deadline"}
HEAD = """
Of each step: `functions` with a name, and `modules` that they are in; `returns` to a module that was left before, in
each greenlet by itself, in the order in which its functions are first called. First of all functions, then of those
only that call another one of ours, which is what a reader follows; there also `packages`, where a module that lies in
none counts as one. `back`: functions whose module is called back by one that it called. `frames`: of ours on the stack
when the service's method begins, with it. What also runs when nothing happens is left out, and so is what gives
workers their dependencies.
"""
COLUMNS = (
    "functions",
    "modules",
    "returns",
    "calling:",
    "functions",
    "modules",
    "returns",
    "packages",
    "back",
    "frames",
)


def functions(calls: Iterable[Call]) -> list[Call]:
    """The first call of each function."""
    found: dict[tuple[str, str], Call] = {}
    for call in calls:
        found.setdefault((call.module, call.function), call)
    return list(found.values())


def calling(calls: Sequence[Call]) -> list[Call]:
    """The calls of functions that call another one of ours."""
    found = set()
    for greenlet in {call.greenlet for call in calls}:
        own = [call for call in calls if call.greenlet == greenlet]
        found |= {(a.module, a.function) for a, b in itertools.pairwise(own) if b.frames > a.frames}
    return [call for call in calls if (call.module, call.function) in found]


def package(module: str) -> str:
    """The part of its library or service that a module lies in."""
    return ".".join(module.split(".")[:2])


def returns(calls: Sequence[Call]) -> int:
    """How often a greenlet enters a module that it had left, when each function counts where it is first called."""
    found = 0
    for greenlet in {call.greenlet for call in calls}:
        way = [call.module for call in functions(call for call in calls if call.greenlet == greenlet)]
        found += sum(here != before and here in way[:i] for i, (before, here) in enumerate(itertools.pairwise(way)))
    return found


def frames(step: Step) -> int:
    """On the stack when the first method of the service that is an entrypoint begins."""
    service = STEPS[step.name][0]
    methods = {name for path in (CHECKOUT / "services" / service / service).rglob("*.py") for name in handlers(path)}
    own = (call for call in step.calls if call.module.startswith(f"{service}."))
    return next(call.frames for call in own if call.function.rpartition(".")[2] in methods)


def handlers(path: Path) -> set[str]:
    """Names of the methods that a module declares as entrypoints."""
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    return {f.name for f in found if {getattr(getattr(d, "func", d), "id", "") for d in f.decorator_list} & ENTRYPOINTS}


def table(steps: Sequence[Step]) -> str:
    """Each step and all of them: everything of ours, and the chassis by itself."""
    lines = [HEAD, f"{'':28}" + "".join(f"{name:>10}" for name in COLUMNS)]
    for what, prefix in (("", ""), (", chassis only", "touchstone_chassis.")):
        walked = {step.name: ([step.calls], [calling(step.calls)], frames(step)) for step in steps}
        walked["all"] = ([s.calls for s in steps], [calling(s.calls) for s in steps], max(map(frames, steps)))
        for name, (parts, inner, high) in walked.items():
            every, those = ([[c for c in part if c.module.startswith(prefix)] for part in p] for p in (parts, inner))
            back = sum(len(functions(call for call in part if call.back)) for part in every)
            places = len({package(call.module) for part in those for call in part})
            numbers = [*_counted(every), "", *_counted(those), places, back, "" if prefix else high]
            lines.append(f"{name + what:28}" + "".join(f"{number:>10}" for number in numbers))
    return "\n".join(lines)


def _counted(parts: Sequence[Sequence[Call]]) -> tuple[int, int, int]:
    calls = [call for part in parts for call in part]
    return len(functions(calls)), len({call.module for call in calls}), sum(map(returns, parts))
