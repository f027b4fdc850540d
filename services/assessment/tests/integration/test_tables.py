"""The table of report checks against the running service, day by day of its sandbox."""

import datetime
import time
from typing import Any

from assessment.data.catalogue import load_catalogue
from touchstone_chassis.mongo.clock import CACHED_S
from touchstone_testing import report_table


def a_clean_report(report: dict[str, Any], given: report_table.Given) -> dict[str, Any]:
    standard = load_catalogue().find("PS", given.version)
    assert standard is not None
    findings = [{"criterion": one.code, "rating": "conformance"} for one in standard.applicable(given.activities)]
    scope = report["scope"] | {"activities": list(given.activities)}
    return report | {"standard": {"code": "PS", "version": given.version}, "findings": findings, "scope": scope}


def test_the_running_service_judges_each_report_as_the_table_says(
    accredited: Any, issuer: Any, report: dict[str, Any], move_clock: Any
) -> None:
    rows = [(report_table.given(row["input"]), row["expected"]) for row in report_table.rows()]
    judged, today = [], None
    for number, (given, _expected) in enumerate(sorted(rows, key=lambda row: row[0].today)):
        if given.today != today:
            today = given.today
            noon = datetime.datetime.combine(today, datetime.time(12), tzinfo=datetime.UTC)
            move_clock((noon - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1))
            time.sleep(CACHED_S + 0.05)
        handed_in = given.applied(a_clean_report(report, given)) | {"report_id": f"R-{number}"}
        reply = accredited.call("submit_audit_report", issuer.assessor(), report=handed_in)
        errors = reply["error"]["errors"] if reply["error"] else ()
        judged.append((given, report_table.told((error["path"], error["code"]) for error in errors)))

    assert judged == sorted(rows, key=lambda row: row[0].today)
