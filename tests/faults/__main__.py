"""`make faults`: has every fault strike a system of its own, keeps each result, and prints the table."""

import argparse
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from harness import catalogue, document, infrastructure, results, running, table, targets

from touchstone_devkit.backing.choosing import NoBacking
from touchstone_devkit.backing.replica_set import directly
from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.chaos.controlled import ControlledBacking
from touchstone_devkit.processes.running import ProcessDidNotStart
from touchstone_devkit.system.runner import System, SystemDidNotStart

RESULTS_PATH = Path(__file__).with_name("results.json")
MATRIX, SOAK = "crash/*, infrastructure/*", "soak"
Chosen = tuple[catalogue.Case, int]
"""A case and its seed."""


def main() -> int:
    """0 when all is well; 1 when a case has a fault, is missing, or its fault did not strike; 2 when only targets were
    missed; 3 without servers."""
    options = _options()
    kept = results.Results(options.results)
    if options.merge or options.document:
        return _put_in_order(kept, options)
    chosen = _chosen(kept, options)
    missing = [(case, seed) for case, seed in chosen if not _is_kept(kept, case, seed)]
    _say(f"{len(chosen)} cases, {len(missing)} of them to run; what is done is kept in {options.results.name}")
    _say_what_is_older(kept, chosen)
    code = 0
    try:
        _run(missing, kept)
    except (NoBacking, Unavailable) as error:
        print(error)
        code = 3
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
    done = [targets.judged_again(result) for case, seed in chosen if (result := kept.of(case.name, seed))]
    table.show(sorted(done, key=lambda result: (result.kind, result.seed, result.case)))
    return code or (_code(done) if len(done) == len(chosen) else 1)


def _code(done: Sequence[results.Result]) -> int:
    """A case whose fault did not strike shows nothing, and so counts as one that failed."""
    if not all(result.good and result.reached for result in done):
        return 1
    return 2 if any(result.missed for result in done) else 0


def _say_what_is_older(kept: results.Results, chosen: Sequence[Chosen]) -> None:
    """A table that mixes commits proves nothing about any of them."""
    now = running.commit()
    older = Counter(r.commit for case, seed in chosen if _is_kept(kept, case, seed) and (r := kept.of(case.name, seed)))
    for commit, count in sorted(older.items()):
        if commit != now:
            _say(
                f"{count} kept results are of commit {commit}, not of {now}: name another file (--results) to run them"
            )


def _chosen(kept: results.Results, options: argparse.Namespace) -> list[Chosen]:
    """The cases of the matrix with one seed, and each soak with one of its own."""
    pattern = options.cases or (SOAK if options.runs else MATRIX)
    seed = options.seed if options.seed is not None else _seed_to_go_on_with(kept, pattern)
    print(f"seed {seed}; the same seed goes on with a run that was stopped", flush=True)
    chosen = catalogue.schedule(seed, pattern)
    matrix = [(case, seed) for case in chosen if case != catalogue.SOAK]
    runs = (options.runs or 1) if catalogue.SOAK in chosen else 0
    return matrix + [(catalogue.SOAK, seed + run) for run in range(runs)]


def _run(missing: Sequence[Chosen], kept: results.Results) -> None:
    """Case after case; those that need the same servers share one system, until one of them breaks it."""
    number = 0
    for servers, group in groupby(missing, key=lambda chosen: chosen[0].servers):
        left = list(group)
        while left:
            with _system(servers) as system:
                while left:
                    case, seed = left.pop(0)
                    number += 1
                    _say(f"{number}/{len(missing)} {catalogue.full_name(case)}, seed {seed}")
                    result = _one(system, case, seed)
                    kept.add(result)
                    _say(running.summary(result))
                    if not result.audits:  # it could not be carried out: who knows what state all is in
                        break


def _one(system: System, case: catalogue.Case, seed: int) -> results.Result:
    try:
        return running.run_case(system, case, seed, say=_say)
    except Exception as error:  # one case that breaks must not cost the others
        return running.broken(case, seed, error)


@contextlib.contextmanager
def _system(servers: str) -> Iterator[System]:
    """The system on the servers that a group of cases needs. Raises NoBacking or Unavailable."""
    numbers = infrastructure.SERVERS[servers]
    with contextlib.ExitStack() as stack:
        try:
            backing = None
            if numbers:
                nodes, members = numbers
                _say(f"starting {nodes} node(s) of the broker and {members} member(s) of the database")
                backing = ControlledBacking(broker_nodes=nodes, mongo_members=members, announce=_say)
                stack.enter_context(backing)
                if servers == infrastructure.DIRECT:
                    backing.mongo_uri = directly(backing.mongo_uri)
            yield stack.enter_context(running.faulty_system(backing, _say))
        except (ProcessDidNotStart, SystemDidNotStart) as error:
            raise Unavailable(str(error)) from error


def _put_in_order(kept: results.Results, options: argparse.Namespace) -> int:
    for path in options.merge:
        kept.add(*map(targets.judged_again, results.Results(path).all))
    if options.document:
        document.write(kept.all)
        table.show(document.newest(kept.all))
    else:
        print(table.tally(kept.all))
    return 0


def _is_kept(kept: results.Results, case: catalogue.Case, seed: int) -> bool:
    """Not one that could not be carried out."""
    result = kept.of(case.name, seed)
    return result is not None and result.audits > 0


def _seed_to_go_on_with(kept: results.Results, pattern: str) -> int:
    """That of the last run if cases of it are missing, else a new one."""
    if kept.all:
        last = kept.all[-1].seed
        if any(not _is_kept(kept, case, last) for case in catalogue.schedule(last, pattern)):
            return last
    return secrets.randbelow(1_000_000)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--runs", type=int, help="so many soaks, each with the next seed; without --cases nothing else")
    parser.add_argument("--seed", type=int, help="by default that of an unfinished run, or a new one")
    parser.add_argument("--cases", help=f"patterns of names, with commas between them; by default '{MATRIX}'")
    parser.add_argument("--results", type=Path, default=RESULTS_PATH, help="file that keeps the results")
    parser.add_argument("--merge", type=Path, nargs="+", default=[], help="only add the results in these files")
    parser.add_argument("--document", action="store_true", help="only print all cases and write the page of results")
    return parser.parse_args()


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
