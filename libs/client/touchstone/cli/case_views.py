"""Prints cases for people: one as a whole, its timeline in 120 columns, and the unfinished ones, a row each."""

import datetime
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from touchstone.cases.history import age
from touchstone.cases.stuck import Line
from touchstone.cases.timeline import Step
from touchstone.cli.render import Output, clean, masked

WIDTH = 120
_PARTS = {
    "audit": (
        *("state", "report_id", "standard", "audit_type", "body_id", "member_id", "entity"),
        *("audited_from", "audited_until", "submitted_at", "accepted_at", "accepted_by", "ratings", "nonconformities"),
    ),
    "case": (
        *("state", "waits", "outcome", "row", "rule_set", "decided_by", "decided_on", "reasons"),
        "certificate_number",
    ),
    "certificate": ("number", "status", "level", "issued_on", "expires_on", "certified_since", "member_name"),
}
_NOTICE_COLUMNS = ("type", "party", "contact_id", "address", "state", "sent_at", "attempts")
_SERVICE_WIDTH = 13
_LEAD_WIDTH = 14 + 10 + _SERVICE_WIDTH + 2
_STYLES = {"gap": "bold yellow", "parked": "bold red", "processed": "dim", "cause": "dim"}
_MARKS = {"gap": "! ", "parked": "! ", "processed": ""}


def show_case_file(output: Output, case: str, found: dict[str, Any]) -> None:
    """Print the parts one below the other, what matters of each, saying of a part that is not there why."""
    output.line(case, style="bold")
    for part, names in _PARTS.items():
        value = found[part]
        if value is None:
            output.line(f"{part}: {found['missing'].get(part, 'none yet')}", style="dim")
        else:
            known = {**value, **(value.get("decision") or {})}
            output.facts(part, {name: known[name] for name in names if known.get(name) not in (None, [], {})})
    if notices := found["notices"]:
        output.table(f"notices ({len(notices)})", masked(notices), _NOTICE_COLUMNS)
    else:
        output.line(f"notices: {found['missing'].get('notices', 'none yet')}", style="dim")


def show_timeline(output: Output, steps: Iterable[Step]) -> None:
    """Times are UTC; the second column is the time since what led to the step; `!` marks what does not go on."""
    day: datetime.date | None = None
    for step in steps:
        if step.at and step.at.date() != day:
            day = step.at.date()
            output.line(f"{day.isoformat()} (UTC)", style="dim")
        for line in _lines(step):
            output.line(line, style=_STYLES.get(step.kind, ""))


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


def show_unfinished(output: Output, lines: Sequence[Line], now: datetime.datetime) -> None:
    """`who` is who has to act; `waits for` what has to come, all of it where it is more than one thing."""
    table = Table(title=_title(lines), title_justify="left", box=None, padding=(0, 1), title_style="")
    widths_max = {"case": 36, "stands at": 26, "for": None, "who": 16, "waits for": None}
    if not output.out.is_terminal:  # a row is a line, and no id is broken
        widths_max = dict.fromkeys(widths_max)
    for name, width_max in widths_max.items():
        ratio = 1 if name == "waits for" and output.out.is_terminal else None
        table.add_column(
            name, header_style="dim", overflow="fold", max_width=width_max, no_wrap=name == "for", ratio=ratio
        )
    for line in lines:
        table.add_row(*(Text(clean(cell)) for cell in _cells(line, now)))
    output.out.print(table)


def waited_s(line: Line, now: datetime.datetime) -> float:
    """Of what has no beginning that is known: for ever."""
    return (now - line.since).total_seconds() if line.since else float("inf")


def _cells(line: Line, now: datetime.datetime) -> tuple[str, ...]:
    number = f" (certificate {line.certificate_number})" if line.certificate_number is not None else ""
    return (
        f"{line.case or '-'}{number}",
        f"{line.service}: {line.state}",
        age(waited_s(line, now)) if line.since else "?",
        line.who or "nobody",
        "; and for ".join([line.waits_for, *line.also]),
    )


def _title(lines: Sequence[Line]) -> str:
    cases = len({line.case for line in lines if line.case})
    others = len(lines) - cases
    parts = [f"{cases} unfinished case{'' if cases == 1 else 's'}"] * bool(cases)
    parts += [f"{others} thing{'' if others == 1 else 's'} of no single case"] * bool(others)
    return ", ".join(parts)


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
        break_long_words=False,
    )
    return [(lead if number == 0 else " " * len(lead)) + text for number, text in enumerate(wrapped)]


def _after(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if abs(seconds) < 1:
        return f"+{seconds * 1000:.0f} ms"
    return f"+{seconds:.1f} s" if seconds < 120 else f"+{age(seconds)}"
