"""Checks what a report says of its member, entity, facilities, countries and activities against the register's word.

The scope is the register's: a report may word a name otherwise, and nothing else.
"""

from collections.abc import Iterator

from assessment.domain.audits.report import Report
from assessment.domain.register import Entity, Facility, Register, activities_of
from assessment.domain.report_checks.wording import shown
from touchstone_contracts.errors import FieldError


def register_faults(
    report: Report, register: Register, *, all_told: bool, of_the_past: bool = False
) -> Iterator[FieldError]:
    """`all_told`: what is unknown is unknown in membership, too, and thus a fault; before that it is waited for.

    A past report is held against who belongs to whom alone: countries and activities are those of today. Whether a
    member's class can be certified is for the decision.
    """
    for reference in register.unknown(report) if all_told else ():
        message = f"{shown(reference.id)} is no {reference.kind} in the register."
        yield FieldError(reference.path, f"unknown_{reference.kind}", message)
    yield from _ownership_faults(report, register)
    if not of_the_past:
        yield from _country_faults(report, register)
        yield from _activity_faults(report, register)


def _ownership_faults(report: Report, register: Register) -> Iterator[FieldError]:
    member_id, entity_id = report.get("member_id"), report.get("entity", {}).get("id")
    entity = register.entities.get(entity_id or "")
    if entity is not None and member_id is not None and entity.member_id != member_id:
        yield FieldError("entity.id", "not_of_member", f"{shown(entity.id)} is no entity of {shown(member_id)}.")
    for index, facility in _facilities(report, register):
        if entity_id is not None and facility.entity_id != entity_id:
            message = f"{shown(facility.id)} is no facility of {shown(entity_id)}."
            yield FieldError(f"scope.facilities[{index}].id", "not_of_entity", message)


def _country_faults(report: Report, register: Register) -> Iterator[FieldError]:
    entity = register.entities.get(report.get("entity", {}).get("id", ""))
    if entity is not None:
        yield from _country_fault("entity.country", report["entity"].get("country"), entity)
    for index, facility in _facilities(report, register):
        said = report["scope"]["facilities"][index].get("country")
        yield from _country_fault(f"scope.facilities[{index}].country", said, facility)


def _country_fault(path: str, said: str | None, place: Entity | Facility) -> Iterator[FieldError]:
    if said is not None and said != place.country:
        message = f"{shown(place.id)} is in {place.country} by the register, not in {shown(said)}."
        yield FieldError(path, "country_contradicts", message)


def _activity_faults(report: Report, register: Register) -> Iterator[FieldError]:
    """The activities of a scope are those of its facilities; where it names none, those of its entity."""
    scope = report.get("scope", {})
    registered = _registered_activities(report, register)
    if registered is None or "activities" not in scope:
        return
    said = [activity for activity in scope["activities"] if activity is not None]
    for index, activity in enumerate(scope["activities"]):
        if activity is not None and activity not in registered:
            message = f"{shown(activity)} is carried out at none of this scope's sites by the register."
            yield FieldError(f"scope.activities[{index}]", "activity_not_registered", message)
    missing = sorted(registered - set(said))
    if missing:
        message = f"By the register this scope carries out {', '.join(missing)}, too: the scope is the register's."
        yield FieldError("scope.activities", "activity_missing", message)


def _registered_activities(report: Report, register: Register) -> frozenset[str] | None:
    """None while something that they follow from is not known, or can not be read."""
    entity = register.entities.get(report.get("entity", {}).get("id", ""))
    known = [facility for _, facility in _facilities(report, register)]
    named = report.get("scope", {}).get("facilities", ())
    if len(known) < len(named) or (entity is None and not named):
        return None
    return activities_of(entity, known)


def _facilities(report: Report, register: Register) -> Iterator[tuple[int, Facility]]:
    """Those of the report's facilities that are known, each with its place in the report."""
    for index, named in enumerate(report.get("scope", {}).get("facilities", ())):
        facility = register.facilities.get(named.get("id", ""))
        if facility is not None:
            yield index, facility
