"""Prints a case's timeline for people: 120 columns, one line for each step, indented below what led to it."""

import datetime
import textwrap
from collections.abc import Iterable
from typing import Any

from touchstone.cases.event_words import age
from touchstone.cases.steps import Step
from touchstone.cli.render import Output

WIDTH = 120
_SERVICE_WIDTH = 13
_LEAD_WIDTH = 14 + 10 + _SERVICE_WIDTH + 2
_STYLES = {"gap": "bold yellow", "parked": "bold red", "processed": "dim", "cause": "dim"}
_MARKS = {"gap": "! ", "parked": "! ", "processed": ""}


def show_timeline(output: Output, steps: Iterable[Step]) -> None:
    """Times are UTC; the second column is the time since what led to the step; `!` marks what does not go on."""
    day: datetime.date | None = None
    for step in steps:
        if step.at and step.at.date() != day:
            day = step.at.date()
            output.line(f"{day.isoformat()} (UTC)", style="dim")
        for line in _lines(step):
            output.line(line, style=_STYLES.get(step.kind, ""))


def show_head(output: Output, case: str, found: dict[str, Any]) -> None:
    """The case in one line: which audit, and what became of it so far."""
    output.line(case, style="bold")
    output.line(f"  {what_became(found)}")


def what_became(found: dict[str, Any]) -> str:
    """`PS 3.0, initial audit; decided: full, certificate 10002; 5 of 5 notices sent`."""
    audit, case, notices = found["audit"] or {}, found["case"], found["notices"] or []
    standard = audit.get("standard") or (case or {}).get("standard") or {}
    parts = [f"{standard.get('code', '?')} {standard.get('version', '')}, {audit.get('audit_type', '')} audit"]
    if case is None:
        parts.append(f"report {audit.get('state', 'not known')}")
    elif case["decision"]:
        number = case["decision"]["certificate_number"]
        parts.append(f"decided: {case['decision']['outcome']}{f', certificate {number}' if number else ''}")
    else:
        parts.append(case["state"].replace("_", " "))
    if notices:
        parts.append(f"{sum(n['state'] == 'sent' for n in notices)} of {len(notices)} notices sent")
    return "; ".join(parts)


def _lines(step: Step) -> list[str]:
    clock = f"{step.at:%H:%M:%S}.{step.at.microsecond // 1000:03d}" if step.at else ""
    lead = f"{clock:<14}{_after(step.after_s):>8}  {step.service:<{_SERVICE_WIDTH}}  "
    indent = "  " * step.depth
    mark = _MARKS.get(step.kind, "└ " if step.depth else "")
    published = "" if step.published_after_s is None else f", published {_after(step.published_after_s)}"
    wrapped = textwrap.wrap(
        step.text + published,
        width=WIDTH - _LEAD_WIDTH,
        initial_indent=indent + mark,
        subsequent_indent=indent + " " * (len(mark) + 2),
        break_on_hyphens=False,
    )
    return [(lead if number == 0 else " " * len(lead)) + text for number, text in enumerate(wrapped)]


def _after(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if abs(seconds) < 1:
        return f"+{seconds * 1000:.0f} ms"
    return f"+{seconds:.1f} s" if seconds < 120 else f"+{age(seconds)}"
