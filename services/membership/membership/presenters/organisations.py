"""Organisations as callers see them."""

from typing import Any

from membership.data.reference import member_classes
from membership.domain.organisations.obligations import Obligations
from membership.domain.organisations.organisation import Organisation


def organisation(organisation: Organisation, obligations: Obligations | None) -> dict[str, Any]:
    """`obligations` are those of today; `must_be_certified` is null where there are none."""
    rule = obligations.rules[organisation.member_class] if obligations else None
    return {
        "member_id": organisation.id,
        "legal_name": organisation.legal_name,
        "member_class": organisation.member_class,
        "class_group": member_classes()[organisation.member_class].group,
        "must_be_certified": rule.must_be_certified if rule else None,
        "country": organisation.country,
        "state": organisation.state,
        "joined_on": organisation.joined_on,
        "first_certification_due_on": organisation.first_certification_due_on,
        "obligations_hash": organisation.obligations_hash,
        "suspension_reasons": list(organisation.suspension_reasons),
        "history": [
            {"state": change.state, "at": change.at, "by": change.by, "reasons": list(change.reasons)}
            for change in organisation.history
        ],
    }
