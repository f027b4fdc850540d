"""Tells on stderr what is being measured and what came out."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from bench.spreads import value_of

FIGURES = {
    "audits_per_s": "{:.0f} audits/s",
    "calls_per_s": "{:.0f} calls/s",
    "notices_per_s": "{:.0f} notices/s",
    "cpu_us": "{:.0f} µs",
    "latency_ms.median": "{:.1f} ms",
    "latency_ms.p99": "99 %: {:.1f} ms",
    "service_cpu_ms": "{:.2f} ms CPU of services",
    "foreign_share": "others used {:.0%} of the machine",
}


def done(run: Mapping[str, Any]) -> None:
    figures = [form.format(value) for field, form in FIGURES.items() if (value := value_of(run, field)) is not None]
    say(f"   {run['subject']:<16}{run['label']:>10}  {', '.join(figures)}")


def failed(run: Mapping[str, Any]) -> None:
    say(f"!! FAILED, NOT COUNTED: {run['subject']} {run['label']}: {'; '.join(run['faults'])}")


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
