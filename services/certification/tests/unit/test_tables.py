"""The decision table against `tests/tables/certification-initial.csv`: what was audited, and what is right.

`input` changes a clean initial audit on PS 3.0 of a smelter in good standing, decided on 2026-11-22, last day on site
2026-10-16: `critical=N`, `majors=N PLAN [DUE]`, `minors=N PLAN [DUE]`, `decided=DAY`, `audited_until=DAY`,
`accepted_by=WHO`, `submitters=WHO`, `team=none`, `member=suspended`, `standard=COC`, `ps=valid`,
`open=FIRST..LAST` (the standard's window) and `type=KIND`. `expected` is outcome, row, code of the first reason and,
where there is one, the certificate's last day. `source` is `judgement` or `design` where no published rule settles it.
"""

import csv
import datetime
from pathlib import Path
from typing import Any

import pytest

from certification.domain.cases.verdict import weigh
from certification.domain.members import Member, MembershipStatus, Profile
from touchstone_contracts.values import AuditType, PlanState, Standard

TABLE = Path(__file__).parents[4] / "tests/tables/certification-initial.csv"
ROWS = list(csv.DictReader(TABLE.open(encoding="utf-8")))


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def findings(given: dict[str, str], build: Any) -> list[Any]:
    found = [build.finding(f"10.{n}", build.critical) for n in range(1, int(given.pop("critical", "0")) + 1)]
    for name, principle, rating in (("majors", 1, build.major), ("minors", 5, build.minor)):
        count, state, *due = given.pop(name, "0 approved").split()
        due_on = day(due[0]) if due else day("2026-11-16")
        found += [build.finding(f"{principle}.{n}", rating, PlanState(state), due_on) for n in range(1, int(count) + 1)]
    return found


def judged(text: str, build: Any, rules: Any) -> Any:
    given = dict(part.strip().split("=", 1) for part in text.split(";") if part.strip())
    found, today = findings(given, build), day(given.pop("decided", "2026-11-22"))
    good = given.pop("member", "active") == "active"
    status = MembershipStatus(member_id="smelter", good=good, effective_on=day("2018-06-01"))
    member = Member(profile=Profile(member_id="smelter", legal_name="Smelter AS"), status=status)
    around = build.surroundings(member=member, has_ps_certificate=given.pop("ps", "missing") == "valid")
    changed: dict[str, Any] = {}
    for name, said in given.items():
        match name:
            case "open":
                first, last = said.split("..")
                changed |= {"standard_open_from": day(first), "standard_open_until": day(last) if last else None}
            case "standard":
                changed["standard"] = Standard(code=said, version="2.0")
            case "type":
                changed["audit_type"] = AuditType(said)
            case "team":
                changed["team"] = [] if said == "none" else [said]
            case "audited_until":
                changed["audited_until"] = day(said)
            case "accepted_by":
                changed["accepted_by"] = said
            case "submitters":
                changed["submitters"] = [said]
            case _:
                raise AssertionError(f"the table has no {name}")
    verdict = weigh(build.audit(found, **changed), around, rules, today=today)
    assert verdict is not None
    return verdict.evaluation


@pytest.mark.parametrize("row", ROWS, ids=[row["input"] or "clean" for row in ROWS])
def test_an_audit_is_decided_as_the_table_says(row: dict[str, str], build: Any, rules: Any) -> None:
    evaluation = judged(row["input"], build, rules)

    told = [evaluation.outcome.value, evaluation.row, evaluation.reasons[0].code]
    told += [evaluation.expires_on.isoformat()] if evaluation.expires_on else []
    assert " ".join(told) == row["expected"]


def test_every_row_says_what_it_rests_on_and_every_row_of_the_rule_set_is_there(rules: Any) -> None:
    assert all(row["rule"] and (row["source"] in ("judgement", "design") or "http" in row["source"]) for row in ROWS)
    assert {row["expected"].split()[1] for row in ROWS} >= {row.id for row in rules.rows}
    said = {row["expected"].split()[2] for row in ROWS}
    guarded_elsewhere = {"report_incomplete", "report_inconsistent", "certificate_exists", "number_taken"}
    assert said >= {guard.code for guard in rules.guards} - guarded_elsewhere
