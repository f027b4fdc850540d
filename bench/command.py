"""`make bench`: measures Touchstone and its peers, keeps what came out, and shows it.

    .venv/bin/python -m bench.command [--quick] [--only throughput,rpc] [--rounds 7] [--audits 2000] [--results FILE]
    .venv/bin/python -m bench.command --show

Parts: validation, rpc, throughput, latency, fanout, processes, delivery, backlog. What `--only` leaves out stays in the
results as it was. Exit status: 0 when every run was right (whether goals are met or not); 1 when a run failed; 3 when
servers or a peer's environment cannot be had.
"""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from pymongo import MongoClient

from bench import environments, plan, plots, progress, results, table, touchstone_parts, usage
from bench.children import Children, end_on_signals
from bench.plan import Plan
from bench.rounds import Bench, Runs, attempt, compare
from bench.subjects import Surroundings
from bench.work_given import GivenWork
from touchstone_devkit.backing.choosing import NoBacking, start_backing
from touchstone_devkit.folders import CHECKOUT

STANDARDS = CHECKOUT / "services" / "assessment" / "assessment" / "data" / "standards"


def main() -> int:
    options = _options()
    end_on_signals()
    failed = 0
    if not options.show:
        sizes = {name: value for name in ("rounds", "audits") if (value := getattr(options, name))}
        chosen = (plan.quick if options.quick else plan.whole)(**sizes)
        try:
            failed = _measure(chosen, options.only, options.results)
        except (NoBacking, environments.NoEnvironment) as error:
            print(error, file=sys.stderr)
            return 3
    _show(options.results)
    return 1 if failed else 0


def _measure(chosen: Plan, only: list[str], path: Path) -> int:
    """Part by part; each is kept as soon as it is measured. Gives the number of runs that failed."""
    begun, failed = time.monotonic(), 0
    subjects = {name for part, of in chosen.comparisons.items() if part in only for name in of.subjects}
    pythons = {peer: environments.python_of(peer) for peer in plan.PEERS if peer in subjects}
    progress.say(f"environments of {len(pythons)} peers are ready ({time.monotonic() - begun:.0f} s)")
    with contextlib.ExitStack() as stack:
        around = _surroundings(stack)
        bench = Bench(around, chosen, pythons, time.monotonic() + chosen.repeat_s)
        for name in only:
            progress.say(f"== {name}")
            runs = list(attempt(plan.TOUCHSTONE, name, _part(bench, name)))
            if runs and "round" not in runs[-1]:  # the part broke off
                progress.failed(runs[-1])
            failed += sum(bool(run["faults"]) for run in runs)
            about = {"quick": chosen.quick, "backing": around.backing.kind, "servers_known": around.servers is not None}
            results.write(path, results.merged(results.read(path), name, results.part_of(runs, **about)))
    progress.say(f"all in all {(time.monotonic() - begun) / 60:.1f} min")
    return failed


def _surroundings(stack: contextlib.ExitStack) -> Surroundings:
    backing = stack.enter_context(start_backing(announce=progress.say))
    children = stack.enter_context(Children())
    work = stack.enter_context(contextlib.closing(GivenWork(children.folder / "data", STANDARDS)))
    mongo = stack.enter_context(MongoClient(backing.mongo_uri))
    return Surroundings(backing, usage.servers_of(backing), work, children, mongo)


def _part(bench: Bench, name: str) -> Runs:
    if name in bench.plan.comparisons:
        return compare(bench, bench.plan.comparisons[name])
    return touchstone_parts.PARTS[name](bench)


def _show(path: Path) -> None:
    kept = results.read(path)
    text = table.document(kept)
    path.with_suffix(".md").write_text(text)
    written = plots.write(path.parent, kept)
    print(text)
    print(f"{path}, {path.with_suffix('.md').name}, {', '.join(p.name for p in written)}")


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


if __name__ == "__main__":
    raise SystemExit(main())
