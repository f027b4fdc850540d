"""However the benchmark ends, none of its processes is left; and a process that fails is told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from bench.children import ChildFailed, Children  # noqa: E402

PARENT = """
import sys, time
sys.path.insert(0, {root!r})
from bench.children import Children, end_on_signals
end_on_signals()
with Children() as children:
    command = ["sh", "-c", "sleep 600 & echo $!; echo ready; sleep 600"]
    child = children.start("sleeper", command, {{}})
    child.wait_until_ready(20)
    print(child.pid, child.out_path.read_text().split()[0], flush=True)
    {then}
"""
WAIT_S = 30


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as children:
        yield children


@pytest.mark.parametrize(
    ("then", "number"),
    [
        ("while True: time.sleep(0.1)", signal.SIGTERM),
        ("while True: time.sleep(0.1)", signal.SIGINT),
        ("while True: time.sleep(0.1)", signal.SIGHUP),
        ("while True: time.sleep(0.1)", signal.SIGKILL),
        ("raise RuntimeError('broken')", None),
        ("pass", None),
    ],
)
def test_no_process_is_left_on_any_way_out(then: str, number: int | None) -> None:
    program = PARENT.format(root=str(ROOT), then=then)
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]

    if number is not None:
        os.kill(parent.pid, number)
    parent.wait(timeout=WAIT_S)

    assert len(pids) == 2
    assert wait_until(lambda: all(gone(pid) for pid in pids))


def test_a_process_that_ends_before_it_is_ready_is_told_with_what_it_said(children: Children) -> None:
    child = children.start("broken", ["sh", "-c", "echo no broker here >&2; exit 3"], {})

    with pytest.raises(ChildFailed, match="broken ended before it was ready: no broker here"):
        child.wait_until_ready(WAIT_S)


def test_a_process_that_ends_in_an_error_is_told(children: Children) -> None:
    child = children.start("load", ["sh", "-c", "echo half; exit 1"], {})

    with pytest.raises(ChildFailed, match="load ended with 1"):
        child.succeeded()


def test_a_process_that_does_not_end_is_told(children: Children) -> None:
    child = children.start("load", ["sleep", "600"], {})

    with pytest.raises(ChildFailed, match="had not ended"):
        child.succeeded(timeout_s=0.1)


def test_what_a_process_printed_is_given(children: Children) -> None:
    assert children.start("load", ["sh", "-c", "echo $WHAT"], {"WHAT": "done"}).succeeded() == "done\n"
