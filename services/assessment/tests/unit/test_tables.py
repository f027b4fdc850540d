"""The checks of a report against `tests/tables/assessment-report-checks.csv`: what is handed in, and what is right.

`input` changes a clean initial report on PS 3.0, `name=value; name=value`: `audited=FIRST..LAST`, `today`, `maturity`
(every dimension), any text of the report's head, and `CRITERION=RATING [PLAN [DUE]]`. `expected` is `taken`, or path
and code of each fault. `source` is `judgement` or `design` where no published rule settles it.
"""

import csv
import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TABLE = Path(__file__).parents[4] / "tests/tables/assessment-report-checks.csv"
ROWS = list(csv.DictReader(TABLE.open(encoding="utf-8")))
RATINGS = {"major": "major_nonconformity", "minor": "minor_nonconformity", "critical": "critical_breach"}
Building = Callable[..., dict[str, Any]]


def handed_in(text: str, a_report: Building) -> tuple[dict[str, Any], datetime.date]:
    given = dict(part.strip().split("=", 1) for part in text.split(";") if part.strip())
    first, _, last = given.pop("audited", "2026-10-12..2026-10-16").partition("..")
    today = datetime.date.fromisoformat(given.pop("today", "2026-11-02"))
    report = a_report(version=given.pop("version", "3.0"), audited_from=first, audited_until=last)
    if level := given.pop("maturity", None):
        report["maturity"] = dict.fromkeys(report["maturity"], level)
    for name, said in given.items():
        if re.fullmatch(r"[0-9]+\.[0-9]+", name):
            (finding,) = (f for f in report["findings"] if f["criterion"] == name)
            finding |= rated(*said.split())
        else:
            assert name in report, f"a report has no {name}"
            report[name] = said
    return report, today


def rated(rating: str, plan: str | None = None, due_on: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"rating": RATINGS.get(rating, rating), "reason": "As the auditors saw."}
    return said | ({"plan": {"state": plan} | ({"due_on": due_on} if due_on else {})} if plan else {})


@pytest.mark.parametrize("row", ROWS, ids=[row["input"] or "clean" for row in ROWS])
def test_a_report_is_judged_as_the_table_says(row: dict[str, str], a_report: Building, faults: Any) -> None:
    report, today = handed_in(row["input"], a_report)

    wrong = faults(report, today=today, audited_by=today + datetime.timedelta(days=1))

    assert (" + ".join(f"{fault.path} {fault.code}" for fault in wrong) or "taken") == row["expected"]


def test_every_row_says_what_it_rests_on() -> None:
    assert len(ROWS) > 40
    assert all(row["rule"] and (row["source"] in ("judgement", "design") or "http" in row["source"]) for row in ROWS)
