"""All cases that there are, chosen by patterns and put into an order by a seed."""

import fnmatch
import random
from collections.abc import Sequence

from harness import cases, infrastructure, soak

Case = cases.Case | infrastructure.InfrastructureCase | soak.Soak

SOAK = soak.Soak()
ALL: Sequence[Case] = [*cases.ALL, *infrastructure.ALL, SOAK]


def full_name(case: Case) -> str:
    """Its kind, and its name: `crash/membership/domain/kill`, `infrastructure/broker/kill/load`, `soak`."""
    return case.name if case.name == case.kind else f"{case.kind}/{case.name}"


def named(name: str) -> Case:
    """By its name, with or without its kind. Raises LookupError."""
    for case in ALL:
        if name in (case.name, full_name(case)):
            return case
    raise LookupError(f"there is no case {name}")


def schedule(seed: int, pattern: str) -> list[Case]:
    """The cases whose names, with or without their kinds, match one of the patterns (with commas between them).

    Cases that need the same servers come together, in the order that the seed gives. A soak comes last.
    """
    patterns = [p.strip() for p in pattern.split(",") if p.strip()]
    chosen = [case for case in ALL if any(_matches(case, p) for p in patterns)]
    random.Random(seed).shuffle(chosen)
    groups = list(infrastructure.SERVERS)
    return sorted(chosen, key=lambda case: (case.kind == soak.Soak.kind, groups.index(case.servers)))


def _matches(case: Case, pattern: str) -> bool:
    return fnmatch.fnmatch(case.name, pattern) or fnmatch.fnmatch(full_name(case), pattern)
