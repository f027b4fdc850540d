"""Many threads that call through one client, and what may befall them: no reply lost, swapped or waited for in vain."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

SCENES = pathlib.Path(__file__).with_name("calling.py")


@pytest.fixture
def play(backing: Any) -> Any:
    def play(scene: str, *kind: str) -> dict[str, Any]:
        command = [sys.executable, "-W", "ignore", str(SCENES), scene, backing.amqp_uri, *kind]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return play


@pytest.mark.parametrize("kind", ["real", "green"])
def test_every_reply_goes_to_the_thread_that_asked(play: Any, kind: str):
    happened = play("storm", kind)

    assert happened["hanging"] == 0 and "wrong" not in happened and "failed" not in happened
    assert happened["right"] + happened["unknown"] == happened["calls"]
    assert happened["connections"] == 1


@pytest.mark.parametrize("kind", ["real", "green"])
def test_connections_that_are_cut_leave_no_thread_waiting_and_cost_no_answer(play: Any, kind: str):
    happened = play("cuts", kind)

    assert happened["hanging"] == 0 and "wrong" not in happened and "failed" not in happened
    assert happened["right"] + happened["unknown"] == happened["calls"]
    assert 2 <= happened["connections"] <= 4


@pytest.mark.parametrize("kind", ["real", "green"])
def test_a_thread_whose_time_is_up_lets_another_one_read(play: Any, kind: str):
    happened = play("deadlines", kind)

    assert happened["hanging"] == 0 and "wrong" not in happened
    assert (happened["right"], happened["no answer"]) == (80, 80)
    assert happened["late_s"] < 2


def test_a_lone_caller_needs_no_other_thread(play: Any):
    happened = play("alone")

    assert happened["threads"] == 1
    assert happened["share"] < 0.1


def test_an_idle_connection_is_kept_and_its_end_is_noticed(play: Any):
    assert play("idle") == {"kept": True, "answered": True, "threads_left": 0}


def test_a_forked_process_opens_a_connection_of_its_own(play: Any):
    assert play("forked") == {"parent": True, "child": True, "connections": 2}


def test_an_interrupt_of_the_thread_that_reads_does_not_stop_the_others(play: Any):
    happened = play("interrupted")

    assert happened["main"] == "interrupted" and happened["before"] > 0
    assert happened["right"] and not happened["hanging"]


def test_an_interrupt_in_the_middle_of_a_frame_costs_the_connection_and_no_answer(play: Any):
    happened = play("torn")

    assert happened == {"main": "interrupted", "right": True, "hanging": False, "connections": 2}
