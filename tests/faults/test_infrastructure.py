"""A short selection of the infrastructure cases, each with shorter waits; `make faults` has them all."""

import secrets
from collections.abc import Iterator

import pytest
from harness import infrastructure, striking
from harness.running import run_case, summary
from harness.workload import Say

from touchstone_devkit.system.runner import System

AUDITS = 16
SHORT = ["broker/kill/load", "database/primary-killed/load"]
LONG = [
    "broker/connections-closed/load",
    "broker/memory-alarm/load",
    "mail/down-60s/load",
    "consumer/certification-killed/backlog",
]


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Long enough for what is to be seen: an alarm blocks, another primary is elected, mails are put off."""
    monkeypatch.setattr(striking, "BROKER_DOWN_S", 1.0)
    monkeypatch.setattr(striking, "ALARM_S", 4.0)
    monkeypatch.setattr(striking, "MEMBER_DOWN_S", 4.0)
    monkeypatch.setattr(striking, "MAIL_DOWN_S", 2.0)
    yield


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [*SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
def test_a_fault_there_loses_nothing_and_doubles_nothing(
    name: str, hurtable_system: System, say: Say, short_waits: None
) -> None:
    seed = secrets.randbelow(1_000_000)

    result = run_case(hurtable_system, infrastructure.named(name), seed, audits=AUDITS, say=say)

    say(f"seed {seed}: {summary(result)}")
    assert result.faults == []
    assert result.reached and result.audits == AUDITS
    assert result.recovery_s is not None
