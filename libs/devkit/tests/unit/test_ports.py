"""A port that was drawn is nobody else's until whoever drew it ends."""

import random
import subprocess
import sys

import pytest

from touchstone_devkit.processes import ports

DRAW_ALL = """
from touchstone_devkit.processes import ports
ports.FIRST, ports.LAST = {first}, {last}
ports.random.sample = lambda numbers, count: list(numbers)
try:
    print(*ports.free_ports({count}), flush=True)
except OSError as error:
    print(error, flush=True)
input()
"""


def draw(first: int, last: int, count: int) -> subprocess.Popen[str]:
    script = DRAW_ALL.format(first=first, last=last, count=count)
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_are_given_different_ports_and_the_end_of_one_frees_its_own() -> None:
    # Below where everything else draws from, and hardly where another run of this test looks.
    pairs = random.sample(range(10_000, ports.FIRST, 2), 1_000)
    span = next((first, first + 2) for first in pairs if ports.is_free(first) and ports.is_free(first + 1))

    with draw(*span, 1) as one:
        taken = {said(one)}
        with draw(*span, 1) as other:
            taken.add(said(other))
            with draw(*span, 1) as third:
                left = said(third)
                third.communicate("\n")
            other.communicate("\n")
        one.communicate("\n")
    with draw(*span, 2) as later:
        free_again = said(later)
        later.communicate("\n")

    assert taken == {str(port) for port in range(*span)}
    assert left.startswith("no 1 free TCP ports")
    assert free_again.split() == [str(port) for port in range(*span)]


def test_more_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports.random, "sample", lambda numbers, count: [])

    with pytest.raises(OSError, match="no 1 free TCP ports"):
        ports.free_ports(1)
