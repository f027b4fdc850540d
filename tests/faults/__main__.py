"""`make faults`: runs crash point cases on a system of its own, keeps each result, and prints the table."""

import argparse
import secrets
import time
from pathlib import Path

from harness import cases, results, running

from touchstone_devkit.backing import NoBacking
from touchstone_devkit.runner import System

RESULTS_PATH = Path(__file__).with_name("results.json")


def main() -> int:
    """0 when no case has a fault, else 1."""
    options = _options()
    kept = results.Results(options.results)
    seed = options.seed if options.seed is not None else _seed_to_go_on_with(kept, options.cases)
    seeds = range(seed, seed + options.runs)
    print(f"seed {seed}; the same seed goes on with a run that was stopped", flush=True)
    chosen = [(case, seed) for seed in seeds for case in cases.schedule(seed, options.cases)]
    missing = [(case, seed) for case, seed in chosen if kept.of(case.name, seed) is None]
    print(f"{len(chosen)} cases, {len(missing)} of them to run", flush=True)
    if missing:
        try:
            with running.faulty_system(None, _say) as system:
                _run(system, missing, kept)
        except NoBacking as error:
            print(error)
            return 3
        except KeyboardInterrupt:
            print("stopped")
    done = [result for case, seed in chosen if (result := kept.of(case.name, seed))]
    results.show(sorted(done, key=lambda result: (result.seed, result.case)))
    return 0 if all(result.good for result in done) and len(done) == len(chosen) else 1


def _run(system: System, missing: list[tuple[cases.Case, int]], kept: results.Results) -> None:
    for number, (case, seed) in enumerate(missing, 1):
        _say(f"{number}/{len(missing)} {case.name}, time {case.time(seed)}, seed {seed}")
        result = running.run_case(system, case, seed, say=_say)
        kept.add(result)
        _say(running.summary(result))


def _seed_to_go_on_with(kept: results.Results, pattern: str) -> int:
    """That of the last run if cases of it are missing, else a new one."""
    if kept.all:
        last = kept.all[-1].seed
        if any(kept.of(case.name, last) is None for case in cases.schedule(last, pattern)):
            return last
    return secrets.randbelow(1_000_000)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--seed", type=int, help="of the first run; by default that of an unfinished one, or a new one")
    parser.add_argument("--cases", default="*", help="patterns of <service>/<point>/<mode>, with commas between them")
    parser.add_argument("--results", type=Path, default=RESULTS_PATH, help="file that keeps the results")
    return parser.parse_args()


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
