"""What outsiders are shown of a mandate."""

from typing import Any

from certification.domain.mandates import Mandate


def mandate(given: Mandate) -> dict[str, Any]:
    standards = [dict(zip(("code", "version"), name.split(" ", 1), strict=True)) for name in given.standards]
    return {
        "mandate_id": given.id,
        "rule_set": given.rule_set,
        "standards": standards,
        "valid_from": given.valid_from.isoformat(),
        "valid_until": given.valid_until.isoformat(),
        "signed_by": given.signed_by,
        "signed_at": given.signed_at.isoformat(),
        "ended_at": given.ended_at.isoformat() if given.ended_at else None,
        "ended_by": given.ended_by,
        "end_reason": given.end_reason,
    }
