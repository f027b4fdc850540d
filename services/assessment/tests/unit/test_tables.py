"""The checks of a report, in the domain, against the table of what is right (`touchstone_testing.report_table`)."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from assessment.domain.accreditation import Auditor, Body
from touchstone_testing import report_table

TEAM = ("auditor-1", "auditor-2")
ROWS = report_table.rows()


@pytest.mark.parametrize("row", ROWS, ids=[row["input"] or "clean" for row in ROWS])
def test_a_report_is_judged_as_the_table_says(
    row: dict[str, str], a_report: Callable[..., dict[str, Any]], faults: Any, register_of: Any, grant: Any
) -> None:
    given = report_table.given(row["input"])
    granted = {"countries": ("*",), "activities": ("SML", "CST", "SFB", "OMS")}
    team = {id: Auditor(id=id, name=id, grants=(grant(body_ids=("dnv",), **granted),)) for id in TEAM}

    wrong = faults(
        given.applied(a_report(version=given.version, activities=given.activities)),
        body=Body(id="dnv", name="DNV", grants=(grant(**granted),)),
        auditors=team,
        register=register_of(report_table.RECORDS),
        today=given.today,
        audited_by=given.today + datetime.timedelta(days=1),
    )

    assert report_table.told((fault.path, fault.code) for fault in wrong) == row["expected"]


def test_every_row_says_what_it_rests_on() -> None:
    assert len(ROWS) > 40
    assert all(row["rule"] and (row["source"] in ("judgement", "design") or "http" in row["source"]) for row in ROWS)
