"""A rule set to publish beside the one that is shipped."""

from typing import Any

from certification.data.rule_sets import shipped


def a_later_rule_set(effective_from: str = "2199-01-01", *, full_years: int = 3) -> Any:
    """Rule set 2, as the document that is handed in: like the first, but for how long a full certificate lasts."""
    document = shipped()[0].document | {"version": 2, "effective_from": effective_from}
    document["parameters"]["full_years"]["value"] = full_years
    return document
