"""The plans that deploy: the short one moves every service there and back, the long one leaves no restart out."""

from collections import Counter

import pytest
from rolling.plans import NEW, OLD, every_restart_in_every_mix, mixes, there_and_back

SERVICES = ("a", "b", "c", "d")


@pytest.mark.parametrize("seed", range(5))
def test_a_short_plan_takes_every_service_there_and_then_back(seed: int) -> None:
    steps = there_and_back(SERVICES, seed)

    assert Counter(steps[:4]) == Counter((service, NEW) for service in SERVICES)
    assert Counter(steps[4:]) == Counter((service, OLD) for service in SERVICES)
    assert there_and_back(SERVICES, seed) == steps


def test_another_seed_gives_another_order() -> None:
    assert len({tuple(there_and_back(SERVICES, seed)) for seed in range(20)}) > 10


def test_the_long_plan_restarts_every_service_in_every_mix_of_the_others_both_ways_and_ends_where_it_began() -> None:
    steps = every_restart_in_every_mix(SERVICES)

    passed = mixes(steps)
    begun = [frozenset(), *passed[:-1]]
    assert len(steps) == 4 * 2**4
    assert len(set(zip(begun, steps, strict=True))) == len(steps)
    assert set(passed) == {m for m in begun} and len(set(passed)) == 2**4
    assert passed[-1] == frozenset()
    assert all(before != after for before, after in zip(begun, passed, strict=True))
