"""`make faults`: has every fault strike a system of its own, keeps each result, and prints the table."""

import argparse
import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from harness import catalogue, document, exercised, infrastructure, results, running, table, targets

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
    code = exercised.code()
    missing = [(case, seed) for case, seed in chosen if not _is_done(kept, case, seed, code)]
    _say(f"{len(chosen)} cases, {len(missing)} of them to run; what is done is kept in {options.results.name}")
    older = sum(kept.of(case.name, seed) is not None for case, seed in missing)
    if older:
        _say(f"{older} of these ran before the last commit that touched what they exercise, or to no end")
    status = 0
    try:
        _run(missing, kept)
    except (NoBacking, Unavailable) as error:
        print(error)
        status = 3
    except KeyboardInterrupt:
        print("stopped; the same command goes on")
    done = [targets.judged_again(r) for case, seed in chosen if (r := _that_counts(kept, case, seed, code))]
    table.show(sorted(done, key=lambda result: (result.kind, result.seed, result.case)))
    return status or (_status(done) if len(done) == len(chosen) else 1)


def _status(done: Sequence[results.Result]) -> int:
    """A case whose fault did not strike shows nothing, and so counts as one that failed."""
    if not all(result.good and result.reached for result in done):
        return 1
    return 2 if any(result.missed for result in done) else 0


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
        document.write(kept.all, exercised.code())
        table.show(document.newest(kept.all))
    else:
        print(table.tally(kept.all))
    return 0


def _that_counts(
    kept: results.Results, case: catalogue.Case, seed: int, code: Mapping[str, str]
) -> results.Result | None:
    """None that is older than what it exercises is now."""
    result = kept.of(case.name, seed)
    return result if result and result.code == exercised.code_of(case, code) else None


def _is_done(kept: results.Results, case: catalogue.Case, seed: int, code: Mapping[str, str]) -> bool:
    """Not one that could not be carried out."""
    result = _that_counts(kept, case, seed, code)
    return result is not None and result.audits > 0


def _seed_to_go_on_with(kept: results.Results, pattern: str) -> int:
    """That of the last run if cases of it are missing, else a new one."""
    if kept.all:
        last, code = kept.all[-1].seed, exercised.code()
        if any(not _is_done(kept, case, last, code) for case in catalogue.schedule(last, pattern)):
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
