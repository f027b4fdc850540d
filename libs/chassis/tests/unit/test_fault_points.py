"""Crash points do nothing unless a test run in the sandbox asks for it, and then exactly once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import eventlet
import pytest

from touchstone_chassis.config import ConfigError
from touchstone_chassis.testing import fault_points

ALIVE = "print('alive', flush=True)"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    fault_points.arm({}, sandbox=True)


def armed(plan: str, folder: Path) -> None:
    fault_points.arm({"TOUCHSTONE_CRASH_POINTS": plan, "TOUCHSTONE_CRASH_MARKERS": str(folder)}, sandbox=True)


def test_without_a_plan_nothing_happens() -> None:
    fault_points.arm({}, sandbox=False)

    for point in fault_points.POINTS:
        fault_points.fault_point(point)


def test_it_happens_at_the_time_that_was_asked_for_and_leaves_a_marker(tmp_path: Path) -> None:
    armed("after_commit:raise:3", tmp_path)
    fault_points.fault_point("after_commit")
    fault_points.fault_point("before_ack")
    fault_points.fault_point("after_commit")

    with pytest.raises(fault_points.FaultInjected):
        fault_points.fault_point("after_commit")

    assert [path.name for path in tmp_path.iterdir()] == ["after_commit"]


def test_it_happens_once_in_a_life_and_once_overall(tmp_path: Path) -> None:
    armed("domain:raise:1", tmp_path)
    with pytest.raises(fault_points.FaultInjected):
        fault_points.fault_point("domain")
    fault_points.fault_point("domain")

    armed("domain:raise:1", tmp_path)

    fault_points.fault_point("domain")


def test_several_points_can_be_switched_on(tmp_path: Path) -> None:
    armed("inbox:raise:1, rpc_ack:base:1", tmp_path)

    with pytest.raises(fault_points.FaultInjected):
        fault_points.fault_point("inbox")
    with pytest.raises(eventlet.Timeout):
        fault_points.fault_point("rpc_ack")


@pytest.mark.parametrize(("mode", "number"), [("kill", signal.SIGKILL), ("term", signal.SIGTERM)])
def test_the_process_gets_the_signal(mode: str, number: int, tmp_path: Path) -> None:
    script = f"""
from touchstone_chassis.testing import fault_points
fault_points.arm(
    {{"TOUCHSTONE_CRASH_POINTS": "outbox:{mode}:1", "TOUCHSTONE_CRASH_MARKERS": {str(tmp_path)!r}}}, sandbox=True
)
fault_points.fault_point("outbox")
{ALIVE}
"""

    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (-number, b"")


def test_outside_the_sandbox_it_is_refused(tmp_path: Path) -> None:
    environ = {"TOUCHSTONE_CRASH_POINTS": "inbox:kill:1", "TOUCHSTONE_CRASH_MARKERS": str(tmp_path)}

    with pytest.raises(ConfigError, match="sandbox"):
        fault_points.arm(environ, sandbox=False)


@pytest.mark.parametrize("plan", ["inbox", "inbox:kill", "inbox:kill:0", "inbox:kill:x", "nowhere:kill:1", "inbox:y:1"])
def test_a_plan_that_cannot_be_read_is_refused(plan: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not <point>:<mode>:<which time>"):
        armed(plan, tmp_path)


def test_a_folder_for_the_markers_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must name a folder"):
        fault_points.arm({"TOUCHSTONE_CRASH_POINTS": "inbox:kill:1"}, sandbox=True)
