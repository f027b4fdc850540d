"""Organisations as callers see them."""

from typing import Any

from membership.data.reference import class_rules
from membership.domain.organisations.organisation import Organisation


def organisation(organisation: Organisation) -> dict[str, Any]:
    rule = class_rules()[organisation.member_class]
    return {
        "member_id": organisation.id,
        "legal_name": organisation.legal_name,
        "member_class": organisation.member_class,
        "class_group": rule.group,
        "must_be_certified": rule.must_be_certified,
        "country": organisation.country,
        "state": organisation.state,
        "joined_on": organisation.joined_on,
        "first_certification_due_on": organisation.first_certification_due_on,
        "suspension_reasons": list(organisation.suspension_reasons),
        "history": [
            {"state": change.state, "at": change.at, "by": change.by, "reasons": list(change.reasons)}
            for change in organisation.history
        ],
    }
