"""Says what is wrong with an outcome, and what else the bad messages did that they should not have done."""

import dataclasses
from collections.abc import Callable, Iterable

from corpus.entrances import Entrance
from corpus.rows import FINE, UNHEARD, answered
from corpus.samples import CANARY
from corpus.walking import Outcome
from corpus.watching import Watcher

WITHIN_S = 1.0
"""What is promised. A loaded machine may take NOISE times as long; the slowest is reported."""
NOISE = 10
MEMORY_MB_MAX = 150
"""A bomb of 64 MB that somebody unpacks costs more than its size; a service that works grows by some megabytes."""


@dataclasses.dataclass
class Tally:
    """How many messages went out, and the one that took longest."""

    messages: int = 0
    within: int = 0
    entrances: set[str] = dataclasses.field(default_factory=set)
    slowest_s: float = 0.0
    slowest: str = ""

    def add(self, entrance: Entrance, name: str, outcome: Outcome) -> None:
        self.messages += 1
        self.within += outcome.took_s <= WITHIN_S
        self.entrances.add(str(entrance))
        if outcome.took_s > self.slowest_s:
            self.slowest_s, self.slowest = outcome.took_s, f"{entrance}, {name}"

    def __str__(self) -> str:
        slowest = f"the slowest took {self.slowest_s:.2f} s ({self.slowest})"
        within = f"{self.within} answered or parked within {WITHIN_S:g} s"
        return f"{self.messages} bad messages to {len(self.entrances)} entrances: {within}, {slowest}"


def _written(collection: str, was: int, now: int) -> bool:
    """A deadline that an earlier good message set may fall due meanwhile."""
    return now > was or (now < was and not collection.endswith(".deadlines"))


def problem(name: str, outcome: Outcome, allowed: Iterable[str], good: str = FINE) -> str | None:
    """One sentence, or None. `good` is what becomes of the good message, for rows that make no difference."""
    wanted = [good if word == FINE else word for word in allowed]
    if outcome.what not in wanted:
        return f"{name}: {outcome.what}, not {' or '.join(wanted)}"
    if outcome.took_s > WITHIN_S * NOISE:
        return f"{name}: {outcome.what}, and only after {outcome.took_s:.1f} s"
    return None


def problem_of_generated(name: str, outcome: Outcome) -> str | None:
    """Whatever was made up must be handled, refused with an error that says why, or parked."""
    if outcome.what == answered("internal_error"):
        return f"{name}: answered with an internal error"
    error = (outcome.reply or {}).get("error") or {}
    if outcome.what == answered("invalid_request") and not _listed(error):
        return f"{name}: refused as invalid without a word on what is"
    good = (FINE, UNHEARD)
    if outcome.what in good or outcome.what.startswith(("answered: ", "parked: ")):
        return problem(name, outcome, [outcome.what], outcome.what)
    return f"{name}: {outcome.what}"


def _listed(error: dict) -> bool:
    errors = error.get("errors") or []
    return bool(errors or error.get("message")) and all({"path", "code", "message"} <= set(e) for e in errors)


@dataclasses.dataclass(frozen=True)
class Scene:
    """What must look the same afterwards; without contents where something was to be written."""

    lives: dict[str, tuple[int, int]]
    memory_mb: dict[str, int]
    contents: dict[str, int]

    @classmethod
    def of(cls, watcher: Watcher, *, contents: bool) -> "Scene":
        return cls(watcher.lives(), watcher.memory_mb(), watcher.contents() if contents else {})


def disturbances(before: Scene, after: Scene, logged: Callable[[str], list[str]]) -> list[str]:
    """Everything that bad messages did besides being refused."""
    found = [f"{s}: process {before.lives[s]} became {now}" for s, now in after.lives.items() if now != before.lives[s]]
    grown = {service: now - before.memory_mb[service] for service, now in after.memory_mb.items()}
    found += [f"{service} grew by {mb} MB" for service, mb in grown.items() if mb > MEMORY_MB_MAX]
    names = sorted(before.contents.keys() | after.contents.keys())
    counts = {name: (before.contents.get(name, 0), after.contents.get(name, 0)) for name in names}
    found += [
        f"{name} held {was} documents, now {now}" for name, (was, now) in counts.items() if _written(name, was, now)
    ]
    return found + [f"logged: {line[:200]}" for line in logged(CANARY)[:3]]
