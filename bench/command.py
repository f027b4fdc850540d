"""`make bench`: measures Touchstone and its peers, keeps what came out, and shows it.

    .venv/bin/python bench [--quick] [--only throughput,rpc] [--rounds 7] [--audits 2000] [--results FILE]
    .venv/bin/python bench --show

Parts: validation, rpc, throughput, latency, fanout, processes, delivery, backlog. What `--only` leaves out stays in the
results as it was. Exit status: 0 when every run was right (whether goals are met or not); 1 when a run failed; 3 when
servers or a peer's environment cannot be had.
"""

import argparse
import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import environments, plan, plots, results, servers, table, touchstone_parts
from bench.children import Children, end_on_signals
from bench.measuring import Run
from bench.plan import Plan
from bench.progress import Progress
from bench.rounds import Bench, go_through
from bench.subjects import Surroundings
from bench.work_given import GivenWork
from touchstone_devkit.backing.choosing import NoBacking, start_backing
from touchstone_devkit.folders import CHECKOUT

STANDARDS = CHECKOUT / "services" / "assessment" / "assessment" / "data" / "standards"
PEERS_OF = {
    "throughput": lambda chosen: plan.SUBJECTS,
    "latency": lambda chosen: chosen.latency_subjects,
    "fanout": lambda chosen: chosen.fanout_subjects,
    "processes": lambda chosen: chosen.processes_subjects,
}
MEASURE: Mapping[str, Callable[[Bench, Plan], list[Run]]] = {
    "validation": touchstone_parts.validation,
    "rpc": touchstone_parts.rpc,
    "throughput": lambda bench, chosen: go_through(bench, plan.SUBJECTS, [chosen.throughput], chosen.rounds),
    "latency": lambda bench, chosen: go_through(bench, chosen.latency_subjects, [chosen.latency], chosen.rounds),
    "fanout": lambda bench, chosen: go_through(bench, chosen.fanout_subjects, chosen.fanout, chosen.short_rounds),
    "processes": lambda bench, chosen: go_through(
        bench, chosen.processes_subjects, chosen.processes, chosen.short_rounds
    ),
    "delivery": touchstone_parts.delivery,
    "backlog": touchstone_parts.backlog,
}


def main() -> int:
    options = _options()
    end_on_signals()
    if options.show:
        _show(options.results)
        return 0
    make = plan.quick if options.quick else plan.whole
    sizes = {name: value for name, value in (("rounds", options.rounds), ("audits", options.audits)) if value}
    chosen, only = make(**sizes), options.only
    progress = Progress(plan.expected_s(chosen, only))
    try:
        begun = time.monotonic()
        pythons = {
            peer: environments.python_of(peer, progress.say)
            for peer in (*plan.PEERS, plan.CEILING)
            if _needed(peer, chosen, only)
        }
        progress.say(f"environments of {len(pythons)} peers are ready ({time.monotonic() - begun:.0f} s)")
        failed = _measure(chosen, only, pythons, progress, options.results)
    except (NoBacking, environments.NoEnvironment) as error:
        print(error, file=sys.stderr)
        return 3
    progress.say(f"all in all {(time.monotonic() - begun) / 60:.1f} min")
    _show(options.results)
    return 1 if failed else 0


def _measure(chosen: Plan, only: list[str], pythons: Mapping[str, Path], progress: Progress, path: Path) -> int:
    """Part by part; each is kept as soon as it is measured. Gives the number of runs that failed."""
    failed = 0
    with contextlib.ExitStack() as stack:
        backing = stack.enter_context(start_backing(announce=progress.say))
        children = stack.enter_context(Children())
        work = GivenWork(children.folder / "data", STANDARDS)
        stack.callback(work.close)
        around = Surroundings(backing, servers.processes_of(backing), work, children)
        stack.callback(around.mongo.close)
        repeat_until = math.inf if chosen.repeat_s is None else time.monotonic() + chosen.repeat_s
        bench = Bench(around, pythons, progress, chosen.warm_up, repeat_until)
        for name in only:
            progress.part(name)
            runs = MEASURE[name](bench, chosen)
            failed += sum(bool(run["faults"]) for run in runs)
            part = results.part_of(
                runs,
                quick=chosen.quick,
                rounds=max((run.get("round", 0) for run in runs), default=0),
                backing=backing.kind,
                unknown=around.servers.unknown,
            )
            results.write(path, results.merged(results.read(path), name, part))
        progress.end()
    return failed


def _show(path: Path) -> None:
    kept = results.read(path)
    text = table.document(kept)
    path.with_suffix(".md").write_text(text)
    written = plots.write(path.parent, kept)
    print(text)
    print(f"{path}, {path.with_suffix('.md').name}, {', '.join(p.name for p in written)}")


def _needed(peer: str, chosen: Plan, only: list[str]) -> bool:
    return any(peer in PEERS_OF[part](chosen) for part in only if part in PEERS_OF)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="under ten minutes, the peers' environments aside")
    parser.add_argument("--only", type=_parts, default=list(plan.PARTS), help=f"of {', '.join(plan.PARTS)}")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS") or 0))
    parser.add_argument("--audits", type=int, default=int(os.environ.get("AUDITS") or 0), help="in each run")
    parser.add_argument("--show", action="store_true", help="measure nothing: write tables and plots anew")
    parser.add_argument("--results", type=Path, default=results.RESULTS_PATH, help="file that keeps the results")
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - set(plan.PARTS):
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(sorted(unknown))}")
    return [name for name in plan.PARTS if name in names]
