"""What tools show of an event to whoever follows a case is never who somebody is or where they can be reached."""

import re
from typing import Any

import touchstone_contracts.events.differences  # noqa: F401 - registers its events, after all others
from touchstone_contracts.registry import REGISTRY, detail, event
from touchstone_contracts.values import Place

PERSONAL = re.compile(r"(^|_)(name|address|email|phone|team)$")


def problems(registered: dict[str, Any]) -> list[str]:
    """Public attributes, also of public values, whose name says that they are about a person or an organisation."""
    found = []
    for type_name, made in sorted(registered.items()):
        for attribute in made.public:
            inner = getattr(made.schema.fields[attribute], "schema", None)
            names = [attribute, *(inner.fields if inner else ())]
            found += [f"{type_name} shows {attribute}.{name}" for name in names if PERSONAL.search(name)]
    return found


def test_no_name_and_no_address_is_public() -> None:
    assert problems(REGISTRY) == []
    assert any(made.public for made in REGISTRY.values())  # type: ignore[attr-defined]


def test_a_public_name_is_seen_also_within_a_value() -> None:
    @event("testing.lot_weighed", version=1, subject="lot_id", summary="A lot was weighed.")
    class LotWeighed:
        lot_id: str = detail("The lot.", example="l", public=True)
        weigher_name: str = detail("Who.", example="Rosa", public=True)
        place: Place = detail("Where.", example={}, public=True)

    made = REGISTRY.pop("testing.lot_weighed.v1")

    assert problems({"lot_weighed": made}) == [
        "lot_weighed shows weigher_name.weigher_name",
        "lot_weighed shows place.name",
    ]
