"""Tells on stderr what is being measured, what came out, and how long the rest may take."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

WEIGHT_S = 60.0
"""So much weight has the expectation: a part of seconds must not correct hours."""


class Progress:
    """`expected_s` says how long each part should take; how wrong that was so far corrects what remains."""

    def __init__(
        self,
        expected_s: Mapping[str, float],
        *,
        out: TextIO = sys.stderr,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left = dict(expected_s)
        self._out, self._now = out, now
        self._part, self._part_begun, self._part_share = "", 0.0, 0.0
        self._expected_done_s = self._took_s = 0.0

    def part(self, name: str) -> None:
        """A part begins; the one before has ended."""
        self.end()
        self._part, self._part_begun, self._part_share = name, self._now(), 0.0
        self.say(f"== {name}; {self.remaining()}")

    def end(self) -> None:
        if self._part:
            self._expected_done_s += self._left.pop(self._part, 0.0)
            self._took_s += self._now() - self._part_begun
            self._part = ""

    def round(self, number: int, rounds: int) -> None:
        self._part_share = min(1.0, (number - 1) / rounds)
        extra = " (makes up for a discarded one)" if number > rounds else ""
        self.say(f"{self._part}: round {number} of {rounds}{extra}; {self.remaining()}")

    def remaining(self) -> str:
        """How long the rest may take, corrected by how long it took so far."""
        in_part_s = self._now() - self._part_begun if self._part_share else 0.0
        expected_s = self._expected_done_s + self._left.get(self._part, 0.0) * self._part_share
        slower = (self._took_s + in_part_s + WEIGHT_S) / (expected_s + WEIGHT_S)
        left_s = max(0.0, sum(self._left.values()) - self._left.get(self._part, 0.0) * self._part_share) * slower
        return f"about {left_s / 60:.0f} min left" if left_s >= 90 else f"about {left_s:.0f} s left"

    def done(self, run: Mapping[str, Any]) -> None:
        figures = []
        if "audits_per_s" in run and not run.get("rate"):
            figures.append(f"{run['audits_per_s']:.0f} audits/s")
        if "latency_ms" in run:
            latency = run["latency_ms"]
            figures.append(f"{latency['median']:.1f} ms, 99 %: {latency['p99']:.1f} ms, at {run['rate']:g}/s")
        if run.get("service_cpu_ms") is not None:
            figures.append(f"{run['service_cpu_ms']:.2f} ms CPU of services")
        if run.get("foreign_share") is not None:
            figures.append(f"others used {run['foreign_share']:.0%} of the machine")
        self.say(f"   {run['subject']:<16}{run['label']:>6}  {', '.join(figures)}")

    def failed(self, run: Mapping[str, Any]) -> None:
        self.say(f"!! FAILED, NOT COUNTED: {run['subject']} {run['label']}: {'; '.join(run['faults'])}")

    def say(self, line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line}", file=self._out, flush=True)
