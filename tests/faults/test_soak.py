"""A short soak: sixty audits while three random faults strike; `make faults RUNS=n` runs n long ones."""

import secrets

import pytest
from harness import soak, striking
from harness.running import run_case, summary
from harness.workload import Say

from touchstone_devkit.system.runner import System

AUDITS, FAULTS = 60, 3


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_random_faults_lose_nothing_and_double_nothing(
    hurtable_system: System, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BROKER_DOWN_S", "ALARM_S", "MEMBER_DOWN_S", "DATABASE_DOWN_S", "MAIL_DOWN_S"):
        monkeypatch.setattr(striking, name, 3.0)
    monkeypatch.setattr(soak, "AUDITS_EACH", AUDITS // FAULTS)
    seed = secrets.randbelow(1_000_000)

    result = run_case(hurtable_system, soak.Soak(), seed, audits=AUDITS, say=say)

    say(f"seed {seed}: {summary(result)}; {result.recoveries}")
    assert result.faults == []
    assert result.reached and len(result.recoveries) == FAULTS
