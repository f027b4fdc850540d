"""In which order the services go from one release to another: pure; a plan is a list of steps."""

import random
from collections.abc import Sequence

OLD, NEW = "old", "new"
Step = tuple[str, str]
"""A service, and which of two releases it is to run from then on."""
Mix = frozenset[str]
"""The services that run the new release; the others run the old one."""


def there_and_back(services: Sequence[str], seed: int) -> list[Step]:
    """Each service in turn to the new release, and each in turn back, in two orders that the seed gives."""
    dice = random.Random(seed)
    forward, back = dice.sample(services, len(services)), dice.sample(services, len(services))
    return [(service, NEW) for service in forward] + [(service, OLD) for service in back]


def every_restart_in_every_mix(services: Sequence[str]) -> list[Step]:
    """Each service goes to the new release and back once in every mix of the others: one closed tour of all mixes.

    Every mix is left as often as it is entered, so that such a tour exists (Euler); found by walking on while there are
    steps left, and joining the walks (Hierholzer).
    """
    left: dict[Mix, list[str]] = {}
    trail: list[tuple[Mix, str | None]] = [(frozenset(), None)]
    tour: list[str | None] = []
    while trail:
        mix, came_by = trail[-1]
        waiting = left.setdefault(mix, list(services))
        if waiting:
            service = waiting.pop()
            trail.append((mix ^ {service}, service))
        else:
            tour.append(came_by)
            trail.pop()
    mix, steps = frozenset[str](), []
    for service in reversed(tour):
        if service is not None:
            mix ^= {service}
            steps.append((service, NEW if service in mix else OLD))
    return steps


def mixes(steps: Sequence[Step]) -> list[Mix]:
    """The mix after each step, all services being old before the first."""
    passed, mix = [], frozenset[str]()
    for service, release in steps:
        mix = mix | {service} if release == NEW else mix - {service}
        passed.append(mix)
    return passed
