"""Runs the unit tests on odd days and in far time zones, two runs at a time: what passes today passes on any day.

The day is told them by `faketime` (a Debian package). Where it is not installed, only the time zones are odd.
With `--also PYTHON` (once or more), that Python takes a part of the days: each Python sees at least one of them.
Other arguments are handed on to pytest; without a path among them they are all unit tests.
"""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ODD = [("2028-02-29 12:00", "Pacific/Auckland"), ("2027-12-31 23:58", "Pacific/Honolulu"), ("2026-12-09 08:00", "UTC")]
UNIT_TESTS = [
    str(path) for path in sorted([*Path("libs").glob("*/tests/unit"), *Path("services").glob("*/tests/unit")])
]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--also", action="append", default=[], metavar="PYTHON")
    told, for_pytest = parser.parse_known_args(arguments)
    if not any(Path(argument).exists() for argument in for_pytest):
        for_pytest = [*UNIT_TESTS, *for_pytest]
    runs = [(*odd, python) for odd, python in zip(ODD, itertools.cycle([sys.executable, *told.also]))]
    faketime = shutil.which("faketime")
    if not faketime:
        print("faketime is not installed (apt-get install faketime): today's date, in other time zones", flush=True)
    with ThreadPoolExecutor(max_workers=2) as running:
        done = list(running.map(lambda one: run(faketime, *one, for_pytest), runs))
    for (day, zone, python), (status, said) in zip(runs, done, strict=True):
        title = f"{day if faketime else 'today'} in {zone}" + (f", {python}" if told.also else "")
        print(f"{title}: {said.splitlines()[-1]}" if status == 0 else f"{title}:\n{said}", flush=True)
    return max(status for status, _ in done)


def run(faketime: str | None, day: str, zone: str, python: str, arguments: Sequence[str]) -> tuple[int, str]:
    """How pytest ended then and there, and what it said."""
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    command = [faketime, day, *pytest] if faketime else pytest
    done = subprocess.run(command, env=os.environ | {"TZ": zone}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
