"""`make bench` on real servers: a part is measured, kept and shown; a signal in between leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from touchstone_devkit.backing.choosing import Backing

ROOT = Path(__file__).parents[2]
WAIT_S = 120


def start(backing: Backing, results: Path, *options: str) -> "subprocess.Popen[str]":
    environment = {
        "AMQP_URI": backing.amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "AMQP_MANAGEMENT_URI": backing.management_uri or "",
        "TOUCHSTONE_BACKING": "environment",
    }
    command = [sys.executable, "-W", "ignore", "-m", "bench.command", "--quick", "--results", str(results), *options]
    return subprocess.Popen(
        command,
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


@pytest.mark.slow
def test_a_part_is_measured_kept_and_shown(backing: Backing, tmp_path: Path) -> None:
    results = tmp_path / "results.json"

    said, told = start(backing, results, "--only", "rpc", "--rounds", "1").communicate(timeout=WAIT_S)

    kept = json.loads(results.read_text())
    goal = next(goal for goal in kept["goals"] if goal["name"] == "rpc_sequential_to_nameko")
    assert goal["rounds"] == 1 and goal["median"] > 0, told
    assert {run["subject"] for run in kept["parts"]["rpc"]["runs"]} == {"touchstone", "nameko", "pika"}
    assert "rpc_sequential_to_nameko" in said and results.with_suffix(".md").read_text() in said
    assert "== rpc" in told


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_system_is_up_leaves_no_process(backing: Backing, tmp_path: Path, number: int) -> None:
    results = tmp_path / "results.json"
    command = start(backing, results, "--only", "rpc")
    assert command.stderr is not None
    while "round 1" not in command.stderr.readline():
        assert command.poll() is None
    started = psutil.Process(command.pid).children(recursive=True)

    command.send_signal(number)
    command.communicate(timeout=WAIT_S)

    assert len(started) >= 5  # four services and a mail sink
    assert command.returncode == 128 + number
    assert wait_until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in started))
    assert not results.exists()
