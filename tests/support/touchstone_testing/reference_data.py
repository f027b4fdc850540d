"""A rule set, a standard and obligations to publish beside those that are shipped."""

from typing import Any

from assessment.data import catalogue
from certification.data import rule_sets
from membership.data import obligations


def a_later_rule_set(effective_from: str = "2199-01-01", *, full_years: int = 3) -> Any:
    """Rule set 3, as the document that is handed in: like the one before, but for how long a full certificate lasts."""
    document = rule_sets.shipped()[-1].document | {"version": 3, "effective_from": effective_from}
    document["parameters"]["full_years"]["value"] = full_years
    return document


def a_later_standard(effective_from: str = "2199-01-01", *, acceptance: str = "secretariat") -> Any:
    """PS 3.0 once more, as the document that is handed in: like the first, but for who accepts a report."""
    first = next(one for one in catalogue.shipped() if one.id == "PS-3.0")
    document = first.document | {"version": 2, "effective_from": effective_from}
    document["standard"]["acceptance"]["value"] = acceptance
    return document


def later_obligations(effective_from: str = "2199-01-01", *, due_years: int = 2) -> Any:
    """Obligations 2, as the document that is handed in: like the first, but for when class PT must be certified."""
    document = obligations.shipped()[0].document | {"version": 2, "effective_from": effective_from}
    document["classes"]["PT"]["certification_due_years"] = due_years
    return document
