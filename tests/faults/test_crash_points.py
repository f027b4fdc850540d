"""A short selection of the crash point cases; `make faults` runs them all."""

import secrets

import pytest
from harness import cases
from harness.running import run_case, summary
from harness.workload import Say

from touchstone_devkit.system.runner import System

SELECTION = [
    "membership/rpc_ack/kill",
    "assessment/after_commit/kill",
    "certification/outbox/kill",
    "certification/group/kill",
    "certification/before_ack/base",
    "certification/inbox/raise",
    "notification/relay_confirm/term",
    "notification/notice_mark/raise",
]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SELECTION)
def test_a_service_that_fails_there_loses_nothing_and_doubles_nothing(name: str, own_system: System, say: Say) -> None:
    seed = secrets.randbelow(1_000_000)

    result = run_case(own_system, cases.named(name), seed, say=say)

    say(f"seed {seed}: {summary(result)}")
    assert result.faults == []
    assert result.reached
