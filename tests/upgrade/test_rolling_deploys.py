"""Every service goes to another release and back while audits come in: nothing is lost, and nobody is turned away."""

import os
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from harness.workload import Say
from rolling import releases
from rolling.plans import NEW, OLD, every_restart_in_every_mix, there_and_back
from rolling.releases import Release
from rolling.running import AUDITS_EACH, Outcome, roll

from touchstone_devkit.system.runner import SERVICES, System

SOME, ALL = ("assessment", "certification"), pytest.param(SERVICES, marks=pytest.mark.long)
"""The services that go to another release and back: those whose events a next release changes, or all."""
EVERY_MIX = os.environ.get("TOUCHSTONE_UPGRADE") == "every-mix"
ISSUED_V1, ISSUED_V2 = "certification.certificate_issued.v1", "certification.certificate_issued.v2"


def steps(services: Sequence[str], say: Say) -> list[tuple[str, str]]:
    """The plan: a short one with a seed, or with TOUCHSTONE_UPGRADE=every-mix the one that leaves nothing out."""
    if EVERY_MIX:
        return every_restart_in_every_mix(SERVICES)
    seed = secrets.randbelow(1_000_000)
    say(f"seed {seed}")
    return there_and_back(services, seed)


def report(say: Say, old: Release, new: Release, outcome: Outcome) -> None:
    slowest = max(outcome.took_s)
    say(f"{old.name} and {new.name}: {outcome.steps_done} restarts, the slowest {slowest:.1f} s; {outcome.calls}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("services", [SOME, ALL], ids=len)
def test_our_release_follows_the_one_before_and_gives_way_to_it(
    own_system: System, tmp_path: Path, say: Say, services: Sequence[str]
) -> None:
    try:
        old = releases.previous(tmp_path)
    except releases.NoHistory as reason:
        pytest.skip(f"only this part: {reason}")
    plan = steps(services, say)

    outcome = roll(own_system, old, releases.current(), plan, say)

    report(say, old, releases.current(), outcome)
    assert outcome.failures == []
    assert outcome.steps_done == len(plan)
    assert outcome.faults == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("services", [SOME, ALL], ids=len)
def test_the_next_release_with_changed_events_follows_ours_and_gives_way_to_it(
    own_system: System, tmp_path: Path, say: Say, services: Sequence[str]
) -> None:
    new = releases.following(tmp_path)
    plan = steps(services, say)

    outcome = roll(own_system, releases.current(), new, plan, say)

    report(say, releases.current(), new, outcome)
    assert outcome.failures == []
    assert outcome.steps_done == len(plan)
    assert outcome.faults == []
    types = Counter(event["type"] for event in outcome.events)
    assert 0 < types[ISSUED_V2] < types[ISSUED_V1]
    urgencies = [e["data"].get("urgency") for e in outcome.events if e["type"] == "assessment.audit_accepted.v1"]
    assert set(urgencies) == {None, "high"} and len(urgencies) == AUDITS_EACH * len(plan)


@pytest.mark.slow
@pytest.mark.skipif(not EVERY_MIX, reason="in make upgrade only")
def test_a_release_that_forgets_its_neighbours_is_seen(own_system: System, tmp_path: Path, say: Say) -> None:
    forgetful = releases.following(tmp_path, forgets_the_old=True)
    plan = [("certification", NEW), ("certification", OLD)]

    with pytest.raises(TimeoutError, match="notices sent"):
        roll(own_system, releases.current(), forgetful, plan, say, settle_s=15)
