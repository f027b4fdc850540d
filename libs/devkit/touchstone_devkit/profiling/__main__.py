"""Shows where the time of one audit goes: `make profile` writes a page with waterfalls, tables and flame graphs.

    python -m touchstone_devkit.profiling [--audits 100] [--submitters 16]

Audits (62 criteria, accepted by configuration) are handed in one at a time, and then four times as many by many
submitters at once, with every moment recorded; and once more as many while py-spy samples where the CPU time goes.
Mail is not sent: what counts is the recorded notice.
"""

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from touchstone_devkit.backing.choosing import start_backing
from touchstone_devkit.folders import STATE
from touchstone_devkit.profiling import moments
from touchstone_devkit.profiling.assembling import PATH, Assembly, Load
from touchstone_devkit.profiling.page import Profile, page
from touchstone_devkit.profiling.sampling import Frame, NotSampled, sampled, tree
from touchstone_devkit.profiling.submitting import Submitters, standards_with_automatic_acceptance
from touchstone_devkit.profiling.summing import Summary, cpu_ms_an_audit, sum_up
from touchstone_devkit.profiling.words import in_words
from touchstone_devkit.system.runner import System

FOLDER = STATE / "profile"
SERVICES = [service for service, _ in PATH]
WARM_UP = 20
TIMES_TOGETHER = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, writes the page and gives the exit code: 1 where no audit could be followed to its notices."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=100, help="one at a time; four times as many at once")
    parser.add_argument("--submitters", type=int, default=16, help="how many hand in at once")
    given = parser.parse_args(arguments)
    spans = _fresh(FOLDER)
    loads, unrecorded, not_sampled = _run(given.audits, given.submitters, spans)
    recorded = {service: moments.read(spans, service) for service in SERVICES}
    try:
        summaries = _summaries(loads, recorded)
    except ValueError as error:
        print(f"profile: {error}", file=sys.stderr)
        return 1
    samples = {} if not_sampled else _samples(FOLDER)
    profile = Profile(_machine(), summaries, cpu_ms_an_audit(unrecorded), samples, not_sampled)
    (FOLDER / "index.html").write_text(page(profile), encoding="utf-8")
    print(in_words(summaries, profile.unrecorded))
    print(f"\nThe page, with waterfalls, all tables and flame graphs: {FOLDER / 'index.html'}")
    return 0


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "spans").mkdir(parents=True)
    return folder / "spans"


def _run(audits: int, submitters: int, spans: Path) -> tuple[list[tuple[str, Load]], Load, str]:
    """What was handed in while moments were recorded; while they were not; and why nothing was sampled, if so."""
    environment = {
        "TOUCHSTONE_SPANS": str(spans),
        "ASSESSMENT_STANDARDS_FOLDER": str(standards_with_automatic_acceptance(spans.parent / "standards")),
        "NOTIFICATION_RUN_DEADLINES": "false",
    }
    with start_backing() as backing, System(backing=backing, sandbox=True, environment=environment) as system:
        load = Submitters(system)
        try:
            load.stage()
            load.one_at_a_time(WARM_UP)
            print(f"{audits} audits, one at a time ...", flush=True)
            alone = load.one_at_a_time(audits)
            print(f"{audits * TIMES_TOGETHER} audits by {submitters} submitters ...", flush=True)
            together = load.together(audits * TIMES_TOGETHER, submitters)
            for service in SERVICES:  # what is sampled shall not be the recorder
                system.restart(service, {"TOUCHSTONE_SPANS": ""})
            load.one_at_a_time(WARM_UP)
            unrecorded, not_sampled = _sample(system, load, audits * TIMES_TOGETHER, submitters)
        finally:
            load.close()
    return [("one at a time", alone), (f"{submitters} submitters", together)], unrecorded, not_sampled


def _sample(system: System, load: Submitters, audits: int, submitters: int) -> tuple[Load, str]:
    pids = {service: system.processes[service].pid or 0 for service in SERVICES}
    try:
        with sampled(pids, FOLDER, lambda line: print(line, flush=True)):
            return load.together(audits, submitters), ""
    except NotSampled as reason:
        print(f"no flame graphs: {reason}", flush=True)
        return load.together(audits, submitters), str(reason)


def _summaries(loads: Sequence[tuple[str, Load]], recorded: Mapping[str, moments.Recorded]) -> list[Summary]:
    assembly = Assembly(recorded)
    traced = [(title, load, [assembly.trace(sent) for sent in load.sent]) for title, load in loads]
    return [sum_up(title, [t for t in traces if t is not None], load, recorded) for title, load, traces in traced]


def _samples(folder: Path) -> dict[str, Frame]:
    found = {service: folder / f"{service}.folded" for service in SERVICES}
    return {s: tree(path.read_text(encoding="utf-8").splitlines(), s) for s, path in found.items() if path.exists()}


def _machine() -> str:
    """Says how busy the machine was: on a busy one durations mean less than CPU."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    at = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"{at} UTC, Python {platform.python_version()}, {os.cpu_count()} cores, load average {load}."


if __name__ == "__main__":
    sys.exit(main())
