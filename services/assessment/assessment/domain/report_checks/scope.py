"""Checks the scope of a report: its activities and its facilities."""

from collections.abc import Iterator

from assessment.domain.audits.report import Report
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.wording import shown
from touchstone_contracts.errors import FieldError


def scope_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
    scope = report.get("scope", {})
    seen: set[str] = set()
    for index, activity in enumerate(scope.get("activities", ())):
        path = f"scope.activities[{index}]"
        if activity is None:
            continue
        if activity in seen:
            yield FieldError(path, "duplicate_activity", f"{shown(activity)} stands there twice.")
        elif facts.standard is not None and activity not in facts.standard.activities:
            yield FieldError(path, "unknown_activity", f"{shown(activity)} is no activity of this standard.")
        seen.add(activity)
    ids = [facility.get("id") for facility in scope.get("facilities", ())]
    for index, facility_id in enumerate(ids):
        if facility_id is not None and facility_id in ids[:index]:
            path = f"scope.facilities[{index}].id"
            yield FieldError(path, "duplicate_facility", f"{shown(facility_id)} stands there twice.")
    if scope.get("type") == "facility" and scope.get("facilities", ()) == []:
        yield FieldError("scope.facilities", "facilities_missing", "A scope of facilities names at least one.")
