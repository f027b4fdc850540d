"""What one event class gives: a wire name, a routing key and a schema for every kind of attribute."""

import datetime
import decimal
import enum
from typing import Any

import pytest
from marshmallow import ValidationError

from touchstone_contracts.registry import REGISTRY, detail, event, known, value

UTC = datetime.UTC


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@value
class Mass:
    amount: decimal.Decimal = detail("How much.", example="12.5")
    unit: str = detail("Of what.", example="t")


@value
class Delivery:
    masses: list[Mass] = detail("What came.", example=[{"amount": "12.5", "unit": "t"}])
    receipt: Mass | None = detail("What was signed for.", example=None, default=None)


def a_delivery_event() -> Any:
    @event("testing.delivery_received", version=3, subject="delivery_id", summary="Something came.")
    class DeliveryReceived:
        delivery_id: str = detail("The delivery.", example="del-1")
        delivery: Delivery = detail("What it holds.", example={"masses": []})
        count: int = detail("Parcels.", example=2)
        complete: bool = detail("Nothing is missing.", example=True)
        colour: Colour = detail("The label's.", example="red")
        received_at: datetime.datetime = detail("When.", example="2026-03-01T09:00:00+00:00")
        due_on: datetime.date = detail("Pay by.", example="2026-04-01")
        shares: dict[str, decimal.Decimal] = detail("By owner.", example={"a": "0.5"}, default={})
        remarks: list[str] = detail("Free text.", example=[], default=[])
        weight: decimal.Decimal | None = detail("In kilograms.", example=None, default=None)
        currency: str = detail("ISO 4217.", example="EUR", default="EUR")

    return DeliveryReceived


WIRE: dict[str, Any] = {
    "delivery_id": "del-1",
    "delivery": {
        "masses": [{"amount": "12.50", "unit": "t"}, {"amount": "0.001", "unit": "kg"}],
        "receipt": {"amount": "3", "unit": "t"},
    },
    "count": 2,
    "complete": True,
    "colour": "red",
    "received_at": "2026-03-01T09:00:00+00:00",
    "due_on": "2026-04-01",
    "shares": {"a": "0.3333", "b": "0.6667"},
    "remarks": ["wet"],
    "weight": "99999999999999999999.000000001",
    "currency": "CHF",
}


def test_a_class_gives_its_wire_name_routing_key_producer_and_version() -> None:
    made = a_delivery_event()

    assert made.type_name == "testing.delivery_received.v3"
    assert made.routing_key == "delivery_received.v3"
    assert (made.producer, made.local_name, made.version) == ("testing", "delivery_received", 3)
    assert REGISTRY["testing.delivery_received.v3"] is made


def test_a_type_is_a_story_unless_it_is_declared_as_a_record() -> None:
    @event("testing.lot_recorded", version=1, subject="lot_id", summary="A lot as it is.", record=True)
    class LotRecorded:
        lot_id: str = detail("The lot.", example="l")

    story = a_delivery_event()
    assert (REGISTRY["testing.lot_recorded.v1"].record, story.record) == (True, False)  # type: ignore[attr-defined]


def test_nested_values_decimals_dates_enums_lists_and_mappings_survive_a_round_trip_exactly() -> None:
    made = a_delivery_event()

    loaded = made.schema.load(WIRE)

    assert loaded.delivery.masses[0] == Mass(amount=decimal.Decimal("12.50"), unit="t")
    assert str(loaded.weight) == "99999999999999999999.000000001"
    assert loaded.received_at == datetime.datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert loaded.due_on == datetime.date(2026, 4, 1)
    assert loaded.colour is Colour.RED
    assert loaded.shares["b"] == decimal.Decimal("0.6667")
    assert made.schema.dump(loaded) == WIRE


def test_what_has_a_default_may_be_absent_and_the_default_is_not_shared_between_events() -> None:
    made = a_delivery_event()
    short = {k: v for k, v in WIRE.items() if k not in ("shares", "remarks", "weight", "currency")}

    first, second = made.schema.load(short), made.schema.load(short)

    assert (first.shares, first.remarks, first.weight, first.currency) == ({}, [], None, "EUR")
    assert first.remarks is not second.remarks
    assert first.shares is not second.shares


def test_an_optional_value_may_be_null_and_comes_back_as_null() -> None:
    made = a_delivery_event()

    loaded = made.schema.load(WIRE | {"weight": None, "delivery": {"masses": [], "receipt": None}})

    assert loaded.weight is None and loaded.delivery.receipt is None
    assert made.schema.dump(loaded)["delivery"] == {"masses": [], "receipt": None}


def test_an_unknown_attribute_is_ignored_at_every_depth() -> None:
    made = a_delivery_event()
    newer = WIRE | {"colour_name": "Rot", "delivery": {"masses": [{"amount": "1", "unit": "t", "grade": "A"}], "x": 1}}

    loaded = made.schema.load(newer)

    assert loaded.delivery.masses == [Mass(amount=decimal.Decimal(1), unit="t")]
    assert not hasattr(loaded, "colour_name")


@pytest.mark.parametrize(
    ("attribute", "wrong"),
    [
        ("delivery_id", 7),
        ("delivery_id", None),
        ("delivery", "text"),
        ("delivery", {"masses": [{"amount": "NaN", "unit": "t"}]}),
        ("delivery", {"masses": [{"amount": "1"}]}),
        ("count", "2"),
        ("count", 2.5),
        ("colour", "green"),
        ("received_at", "2026-03-01T09:00:00"),
        ("received_at", "yesterday"),
        ("due_on", "2026-02-30"),
        ("shares", {"a": "half"}),
        ("remarks", "wet"),
        ("remarks", None),
        ("weight", "heavy"),
    ],
)
def test_a_value_of_another_kind_is_refused(attribute: str, wrong: Any) -> None:
    made = a_delivery_event()

    with pytest.raises(ValidationError) as refused:
        made.schema.load(WIRE | {attribute: wrong})

    assert list(refused.value.normalized_messages()) == [attribute]


@pytest.mark.parametrize("attribute", ["delivery_id", "delivery", "count", "complete", "received_at", "due_on"])
def test_what_has_no_default_is_required(attribute: str) -> None:
    made = a_delivery_event()

    with pytest.raises(ValidationError) as refused:
        made.schema.load({k: v for k, v in WIRE.items() if k != attribute})

    assert attribute in refused.value.normalized_messages()


def test_an_event_cannot_be_changed_once_made() -> None:
    loaded = a_delivery_event().schema.load(WIRE)

    with pytest.raises(AttributeError):
        loaded.count = 3


def test_a_type_is_registered_once() -> None:
    a_delivery_event()

    with pytest.raises(TypeError, match="already registered"):
        a_delivery_event()


def test_the_subject_must_be_an_attribute() -> None:
    with pytest.raises(TypeError, match="has no attribute delivery_id"):

        @event("testing.delivery_lost", version=1, subject="delivery_id", summary="Gone.")
        class DeliveryLost:
            parcel_id: str = detail("The parcel.", example="p")


def a_loss(words: str) -> Any:
    @event("testing.parcel_lost", version=1, subject="parcel_id", summary="Gone.", words=words)
    class ParcelLost:
        parcel_id: str = detail("The parcel.", example="p", public=True)
        finder: str = detail("Who had it last.", example="Rosa")

    return ParcelLost


def test_what_people_see_of_an_event_is_what_says_so() -> None:
    lost = a_loss("parcel {parcel_id} lost")

    assert (lost.words, lost.public) == ("parcel {parcel_id} lost", ("parcel_id",))


def test_an_event_without_words_is_called_by_its_name_and_shows_nothing() -> None:
    made = a_delivery_event()

    assert (made.words, made.public) == ("delivery received", ())


def test_words_about_what_is_not_public_are_refused() -> None:
    with pytest.raises(TypeError, match="not public: finder"):
        a_loss("{finder} lost parcel {parcel_id}")


def test_a_version_that_is_not_registered_is_known_by_one_that_is() -> None:
    lost = a_loss("")

    assert known("testing.parcel_lost.v1") is known("testing.parcel_lost.v2") is lost
    assert known("testing.parcel_found.v1") is known("nonsense") is known("") is known(None) is None
