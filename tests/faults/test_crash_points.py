"""A short selection of the crash point cases; `make faults` runs them all."""

import secrets

import pytest
from harness import cases
from harness.running import run_case, summary
from harness.workload import Say

from touchstone_devkit.system.runner import System

AUDITS = 12
SHORT = [
    "assessment/after_commit/kill",
    "certification/before_ack/base",
    "certification/inbox/raise",
    "notification/relay_confirm/term",
]
LONG = [
    *SHORT,
    "membership/rpc_ack/kill",
    "certification/outbox/kill",
    "certification/group/kill",
    "notification/notice_mark/raise",
]
CASES = [(name, AUDITS) for name in SHORT] + [pytest.param(name, None, marks=pytest.mark.long) for name in LONG]
"""Each with so many audits; None: as many as `make faults` takes."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "audits"), CASES)
def test_a_service_that_fails_there_loses_nothing_and_doubles_nothing(
    name: str, audits: int | None, own_system: System, say: Say
) -> None:
    seed = secrets.randbelow(1_000_000)

    result = run_case(own_system, cases.named(name), seed, audits=audits, say=say)

    say(f"seed {seed}: {summary(result)}")
    assert result.faults == []
    assert result.reached
