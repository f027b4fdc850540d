"""Checks who carried out an audit: the team's make-up, and the accreditation of team and body on the audit's days."""

import dataclasses
from collections.abc import Iterator, Mapping

from assessment.domain.accreditation import Auditor, Body, Need, lacks
from assessment.domain.audits.report import Report
from assessment.domain.report_checks.wording import shown
from assessment.domain.standards import StandardVersion
from touchstone_contracts.errors import FieldError

LEAD = "lead"
ROLES = (LEAD, "auditor", "specialist")


def team_faults(
    report: Report, *, standard: StandardVersion | None, body: Body | None, auditors: Mapping[str, Auditor]
) -> Iterator[FieldError]:
    """Every member and the body itself must be accredited for all of the audit, on each of its days."""
    need = _need(report, standard)
    yield from _body_faults(report, body, need)
    if "team" in report:
        yield from _lead_faults(report)
        yield from _member_faults(report, auditors, need)


def _need(report: Report, standard: StandardVersion | None) -> Need | None:
    """What the audit asks for, or None while its days cannot be told."""
    first, last = report.get("audited_from"), report.get("audited_until")
    if first is None or last is None or last < first:
        return None
    scope = report.get("scope", {})
    places = [report.get("entity", {}), *scope.get("facilities", ())]
    activities = frozenset(a for a in scope.get("activities", ()) if a is not None)
    return Need(
        standard=standard.code if standard else None,
        countries=frozenset(place["country"] for place in places if "country" in place),
        activities=activities & standard.activities if standard else activities,
        first=first,
        last=last,
        body_id=report.get("body_id"),
    )


def _body_faults(report: Report, body: Body | None, need: Need | None) -> Iterator[FieldError]:
    body_id = report.get("body_id")
    if body_id is None:
        return
    if body is None:
        yield FieldError("body_id", "body_not_accredited", f"{shown(body_id)} is no accredited body.")
    elif need is not None and (missing := lacks(body.grants, dataclasses.replace(need, body_id=None))):
        yield FieldError("body_id", "body_not_accredited", f"{shown(body_id)} lacks {_listed(missing)}.")


def _lead_faults(report: Report) -> Iterator[FieldError]:
    leads = [index for index, member in enumerate(report["team"]) if member.get("role") == LEAD]
    if not leads:
        yield FieldError("team", "lead_auditor_missing", "A team has one lead auditor; this one has none.")
    for index in leads[1:]:
        yield FieldError(f"team[{index}].role", "second_lead_auditor", "A team has one lead auditor.")


def _member_faults(report: Report, auditors: Mapping[str, Auditor], need: Need | None) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, member in enumerate(report["team"]):
        auditor_id, role = member.get("auditor_id"), member.get("role")
        if role is not None and role not in ROLES:
            yield FieldError(f"team[{index}].role", "unknown_role", f"{shown(role)} is none of {', '.join(ROLES)}.")
        if auditor_id is None:
            continue
        path = f"team[{index}].auditor_id"
        if auditor_id in seen:
            yield FieldError(path, "duplicate_auditor", f"{shown(auditor_id)} stands in the team twice.")
        elif missing := _auditor_lacks(auditors.get(auditor_id), need):
            yield FieldError(path, "auditor_not_accredited", f"{shown(auditor_id)} lacks {_listed(missing)}.")
        seen.add(auditor_id)


def _auditor_lacks(auditor: Auditor | None, need: Need | None) -> list[str]:
    if auditor is None:
        return ["registration"]
    return lacks(auditor.grants, need) if need is not None else []


def _listed(missing: list[str]) -> str:
    return "; ".join(missing[:10]) + ("; …" if len(missing) > 10 else "")
