"""The decision table, in the domain, against the table of what is right (`touchstone_testing.decision_table`)."""

import datetime
from typing import Any

import pytest

from certification.domain.cases.verdict import weigh
from certification.domain.members import Member, MembershipStatus, Profile
from touchstone_testing import decision_table

ROWS = decision_table.rows()
JOINED_ON = datetime.date(2018, 6, 1)


def judged(given: decision_table.Given, build: Any, rules: Any) -> Any:
    status = MembershipStatus(member_id="smelter", good=given.in_good_standing, effective_on=JOINED_ON)
    member = Member(profile=Profile(member_id="smelter", legal_name="Smelter AS"), status=status)
    around = build.surroundings(member=member, has_ps_certificate=given.has_ps_certificate)
    verdict = weigh(build.audit(given.found, **given.changed), around, rules, today=given.decided)
    assert verdict is not None
    return verdict.evaluation


@pytest.mark.parametrize("row", ROWS, ids=[row["input"] or "clean" for row in ROWS])
def test_an_audit_is_decided_as_the_table_says(row: dict[str, str], build: Any, rules: Any) -> None:
    evaluation = judged(decision_table.given(row["input"]), build, rules)

    told = [evaluation.outcome.value, evaluation.row, evaluation.reasons[0].code]
    told += [evaluation.expires_on.isoformat()] if evaluation.expires_on else []
    assert " ".join(told) == row["expected"]


def test_every_row_says_what_it_rests_on_and_every_row_of_the_rule_set_is_there(rules: Any) -> None:
    assert all(row["rule"] and (row["source"] in ("judgement", "design") or "http" in row["source"]) for row in ROWS)
    assert {row["expected"].split()[1] for row in ROWS} >= {row.id for row in rules.rows}
    said = {row["expected"].split()[2] for row in ROWS}
    guarded_elsewhere = {"report_incomplete", "report_inconsistent", "certificate_exists", "number_taken"}
    assert said >= {guard.code for guard in rules.guards} - guarded_elsewhere
