"""Accredits bodies and auditors for what the standards know."""

from typing import Any

from assessment.data.catalogue import Catalogue
from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.storage.accreditation import Auditors, Bodies
from touchstone_contracts.errors import FieldError, InvalidRequest


def accredit_body(request: dict[str, Any], catalogue: Catalogue, bodies: Bodies) -> Body:
    """Raises InvalidRequest for a scope that no standard knows."""
    _refuse_unknown_scope(request, catalogue)
    id = request["body_id"]
    body = bodies.get(id) or Body(id=id, name=request["name"])
    if events := body.accredit(request["name"], _grant(request)):
        bodies.save(body, events)
    return body


def register_auditor(request: dict[str, Any], catalogue: Catalogue, bodies: Bodies, auditors: Auditors) -> Auditor:
    """Raises InvalidRequest for a scope that no standard knows, or a body that is not accredited."""
    _refuse_unknown_scope(request, catalogue)
    _refuse_unknown_bodies(request["body_ids"], bodies)
    id = request["auditor_id"]
    auditor = auditors.get(id) or Auditor(id=id, name=request["name"])
    auditor.register(request["name"], _grant(request), request.get("logins"))
    auditors.save(auditor)
    return auditor


def _refuse_unknown_scope(request: dict[str, Any], catalogue: Catalogue) -> None:
    """An accreditation for what no standard knows would be a typing error."""
    known = {"standards": catalogue.codes, "activities": catalogue.activities}
    wrong = [
        FieldError(f"{field}[{index}]", f"unknown_{singular}", f"{value!r} is in none of the standards here.")
        for field, singular in (("standards", "standard"), ("activities", "activity"))
        for index, value in enumerate(request[field])
        if value not in known[field]
    ]
    if wrong:
        raise InvalidRequest("The accreditation's scope names what is not known here.", wrong)


def _refuse_unknown_bodies(body_ids: list[str], bodies: Bodies) -> None:
    wrong = [
        FieldError(f"body_ids[{index}]", "unknown_body", f"{id!r} is no accredited body.")
        for index, id in enumerate(body_ids)
        if bodies.get(id) is None
    ]
    if wrong:
        raise InvalidRequest("An auditor works for bodies that are accredited here.", wrong)


def _grant(request: dict[str, Any]) -> Grant:
    return Grant(
        standards=tuple(request["standards"]),
        countries=tuple(request["countries"]),
        activities=tuple(request["activities"]),
        valid_from=request["valid_from"],
        valid_until=request["valid_until"],
        body_ids=tuple(request.get("body_ids", ())),
    )
