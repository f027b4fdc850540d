"""Reads `tests/tables/assessment-report-checks.csv`: what is handed in, and what is right.

`input` changes a clean initial report on PS 3.0, `name=value; name=value`: `audited=FIRST..LAST`, `today`, `version`,
`maturity` (every dimension), any text of the report's head, and `CRITERION=RATING [PLAN [DUE]]`. `expected` is `taken`,
or path and code of each fault. `source` is `judgement` or `design` where no published rule settles it.
"""

import csv
import dataclasses
import datetime
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[2] / "tables/assessment-report-checks.csv"
RATINGS = {"major": "major_nonconformity", "minor": "minor_nonconformity", "critical": "critical_breach"}
TAKEN = "taken"


@dataclasses.dataclass(frozen=True)
class Given:
    """What a row says of the report; `today` is the day on which it is handed in."""

    version: str
    first: str
    last: str
    today: datetime.date
    changes: dict[str, str]

    def applied(self, report: dict[str, Any]) -> dict[str, Any]:
        """The report, on this version and of these days, with the row's changes."""
        report = report | {"audited_from": self.first, "audited_until": self.last}
        for name, said in self.changes.items():
            if re.fullmatch(r"[0-9]+\.[0-9]+", name):
                (finding,) = (f for f in report["findings"] if f["criterion"] == name)
                finding |= _rated(*said.split())
            elif name == "maturity":
                report["maturity"] = dict.fromkeys(report["maturity"], said)
            else:
                assert name in report, f"a report has no {name}"
                report[name] = said
        return report


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def given(text: str) -> Given:
    said = dict(part.strip().split("=", 1) for part in text.split(";") if part.strip())
    first, _, last = said.pop("audited", "2026-10-12..2026-10-16").partition("..")
    today = datetime.date.fromisoformat(said.pop("today", "2026-11-02"))
    return Given(said.pop("version", "3.0"), first, last, today, said)


def told(faults: Iterable[tuple[str, str]]) -> str:
    """Path and code of each fault as the table has them."""
    return " + ".join(f"{path} {code}" for path, code in faults) or TAKEN


def _rated(rating: str, plan: str | None = None, due_on: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"rating": RATINGS.get(rating, rating), "reason": "As the auditors saw."}
    return said | ({"plan": {"state": plan} | ({"due_on": due_on} if due_on else {})} if plan else {})
