"""Reads `tests/tables/certification-initial.csv`: what was audited, and what is right.

`input` changes a clean initial audit on PS 3.0 of a smelter in good standing, decided on 2026-11-22, last day on site
2026-10-16: `critical=N`, `majors=N PLAN [DUE]`, `minors=N PLAN [DUE]`, `decided=DAY`, `audited_until=DAY`,
`accepted_by=WHO`, `submitters=WHO`, `team=none`, `member=suspended`, `standard=COC` (2.0), `ps=valid`,
`open=FIRST..LAST` (the standard's window) and `type=KIND`. `expected` is outcome, row, code of the first reason and,
where there is one, the certificate's last day. `source` is `judgement` or `design` where no published rule settles it.
"""

import csv
import dataclasses
import datetime
from pathlib import Path
from typing import Any

from touchstone_contracts.values import AuditType, Nonconformity, PlanState, Rating, Standard

TABLE = Path(__file__).parents[2] / "tables/certification-initial.csv"
CRITICAL, MAJOR, MINOR = Rating.CRITICAL_BREACH, Rating.MAJOR_NONCONFORMITY, Rating.MINOR_NONCONFORMITY
_DUE_ON = "2026-11-16"


@dataclasses.dataclass(frozen=True)
class Given:
    """What a row says: the day of the decision, what was found, and how `AuditAccepted` differs from a clean one."""

    decided: datetime.date
    found: list[Nonconformity]
    in_good_standing: bool
    has_ps_certificate: bool
    changed: dict[str, Any]


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def given(text: str) -> Given:
    said = dict(part.strip().split("=", 1) for part in text.split(";") if part.strip())
    found = findings(said)
    return Given(
        decided=_day(said.pop("decided", "2026-11-22")),
        found=found,
        in_good_standing=said.pop("member", "active") == "active",
        has_ps_certificate=said.pop("ps", "missing") == "valid",
        changed={key: value for name, text in said.items() for key, value in _changed(name, text).items()},
    )


def findings(said: dict[str, str], *, due_on: str = _DUE_ON) -> list[Nonconformity]:
    """What `critical`, `majors` and `minors` say; they are taken out of `said`."""
    found = [_finding(f"10.{n}", CRITICAL, "none", due_on) for n in range(1, int(said.pop("critical", "0")) + 1)]
    for name, principle, rating in (("majors", 1, MAJOR), ("minors", 5, MINOR)):
        count, state, *day = said.pop(name, "0 approved").split()
        found += [_finding(f"{principle}.{n}", rating, state, *(day or [due_on])) for n in range(1, int(count) + 1)]
    return found


def _finding(criterion: str, rating: Rating, state: str, due_on: str) -> Nonconformity:
    return Nonconformity(criterion=criterion, rating=rating, plan_state=PlanState(state), plan_due_on=_day(due_on))


def _changed(name: str, said: str) -> dict[str, Any]:
    match name:
        case "open":
            first, last = said.split("..")
            return {"standard_open_from": _day(first), "standard_open_until": _day(last) if last else None}
        case "standard":
            return {"standard": Standard(code=said, version="2.0")}
        case "type":
            return {"audit_type": AuditType(said)}
        case "team":
            return {"team": [] if said == "none" else [said]}
        case "audited_until":
            return {"audited_until": _day(said)}
        case "submitters":
            return {"submitters": [said]}
        case "accepted_by":
            return {"accepted_by": said}
    raise AssertionError(f"the table has no {name}")


def _day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)
