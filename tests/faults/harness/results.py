"""Keeps what came out of each case, so that a long run can be stopped and gone on with."""

import dataclasses
import json
import os
from pathlib import Path

FIRST_NOTICE, LONGEST_SILENCE = 1, 2
"""How stall and recovery were measured: see `Result.measure`."""


@dataclasses.dataclass
class Result:
    """One case that ran. Counts, and seconds; `stall_s` is the longest time without a notice."""

    case: str
    seed: int
    commit: str
    at: str
    time: int
    reached: bool
    audits: int
    lost: int = 0
    doubled: int = 0
    parked: int = 0
    stall_s: float | None = None
    recovery_s: float | None = None
    """From the fault (where something was stopped or down: from its return) to the first new work; in a soak the
    longest one."""
    took_s: float = 0.0
    mails_again: int = 0
    calls: dict[str, int] = dataclasses.field(default_factory=dict)
    faults: list[str] = dataclasses.field(default_factory=list)
    kind: str = "crash"
    """`crash`, `infrastructure` or `soak`."""
    missed: list[str] = dataclasses.field(default_factory=list)
    """What was to be reached and was not: slower than wanted, nothing lost."""
    repeated: int | None = None
    """Messages that came again after a handler had carried them out, as far as metrics told."""
    recoveries: list[tuple[str, float | None]] = dataclasses.field(default_factory=list)
    """In a soak: each fault that struck and its recovery in seconds."""
    to_strike: int | None = None
    """In a soak: how many faults were to strike; older ones did not say."""
    measure: int = FIRST_NOTICE
    """1: the stall was the longest gap between two notices; the recovery in a soak ended with the first notice, and
    that of an infrastructure case was 0.0 where the work had ended before the fault. 2: the stall counts from the first
    call until all is quiet; recoveries are the longest silence, but those of crash points."""

    code: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the case exercises, and how that was: see `exercised.code_of`."""

    @property
    def good(self) -> bool:
        return not self.faults

    @property
    def unmeasured(self) -> bool:
        """Whether its recovery is none: the work had ended before the fault, and nothing was waited for."""
        return self.kind == "infrastructure" and self.measure == FIRST_NOTICE and self.recovery_s == 0.0


class Results:
    """A JSON file with one object for each case that ran, whole after every case."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.all = [Result(**entry) for entry in json.loads(path.read_text())] if path.exists() else []

    def add(self, *results: Result) -> None:
        """One that is there already, of the same case, seed and moment, is not added again."""
        known = {(result.case, result.seed, result.at) for result in self.all}
        self.all += [result for result in results if (result.case, result.seed, result.at) not in known]
        lines = ",\n".join(json.dumps(dataclasses.asdict(result)) for result in self.all)
        draft = self._path.with_suffix(".draft")
        draft.write_text(f"[\n{lines}\n]\n")
        os.replace(draft, self._path)

    def of(self, case: str, seed: int) -> Result | None:
        return next((r for r in reversed(self.all) if (r.case, r.seed) == (case, seed)), None)
