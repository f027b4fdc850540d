"""Certification bodies and auditors as callers see them."""

from typing import Any

from assessment.domain.accreditation import Auditor, Body, Grant


def body(body: Body) -> dict[str, Any]:
    return {"body_id": body.id, "name": body.name, "grants": [_grant(grant) for grant in body.grants]}


def auditor(auditor: Auditor) -> dict[str, Any]:
    grants = [_grant(grant) | {"body_ids": list(grant.body_ids)} for grant in auditor.grants]
    return {"auditor_id": auditor.id, "name": auditor.name, "grants": grants, "logins": list(auditor.logins)}


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "standards": list(grant.standards),
        "countries": list(grant.countries),
        "activities": list(grant.activities),
        "valid_from": grant.valid_from,
        "valid_until": grant.valid_until,
    }
