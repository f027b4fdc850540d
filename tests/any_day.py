"""Runs the unit tests on odd days and in far time zones, two runs at a time: what passes today passes on any day.

The day is told them by `faketime` (a Debian package). Where it is not installed, only the time zones are odd.
Arguments are handed on to pytest; without a path among them they are all unit tests.
"""

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
    paths = [] if any(Path(argument).exists() for argument in arguments) else UNIT_TESTS
    faketime = shutil.which("faketime")
    if not faketime:
        print("faketime is not installed (apt-get install faketime): today's date, in other time zones", flush=True)
    with ThreadPoolExecutor(max_workers=2) as running:
        done = list(running.map(lambda odd: run(faketime, *odd, [*paths, *arguments]), ODD))
    for (day, zone), (status, said) in zip(ODD, done, strict=True):
        title = f"{day} in {zone}" if faketime else f"today in {zone}"
        print(f"{title}: {said.splitlines()[-1]}" if status == 0 else f"{title}:\n{said}", flush=True)
    return max(status for status, _ in done)


def run(faketime: str | None, day: str, zone: str, arguments: Sequence[str]) -> tuple[int, str]:
    """How pytest ended then and there, and what it said."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    command = [faketime, day, *pytest] if faketime else pytest
    done = subprocess.run(command, env=os.environ | {"TZ": zone}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
