"""An event in two versions, while releases of its producer and its consumer change: it arrives, and it counts once."""

import datetime
import json
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import nameko
import pytest
from marshmallow import Schema, fields
from nameko.containers import ServiceContainer

from touchstone.provisioning.provision import provision
from touchstone_chassis.api import Stored, command, on_event
from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_contracts.envelope import wrap
from touchstone_contracts.registry import detail, event
from touchstone_contracts.roles import OPERATOR, SECRETARIAT
from touchstone_contracts.topology import ServiceTopology, event_queue
from touchstone_devkit.eventually import eventually

FIRST, SECOND = event_queue("toy", "toy.lot_weighed.v1"), event_queue("toy", "toy.lot_weighed.v2")


class Lots:
    """Stores what was weighed, and how often each weighing was noted."""

    def __init__(self, unit: Any):
        self.unit = unit

    def weigh(self, lot_id: str, weighed: Any) -> None:
        self.unit.save("lots", {"_id": lot_id, "version": 0}, [weighed])

    def note(self, lot_id: str, mass_g: int) -> None:
        note = self.unit.find_one("notes", {"_id": lot_id}) or {"_id": lot_id, "version": 0, "times": 0}
        self.unit.save("notes", note | {"times": note["times"] + 1, "mass_g": mass_g})


class Weigh(Schema):
    lot_id = fields.String(required=True)
    mass_g = fields.Integer(required=True)


@pytest.fixture
def contracts() -> Any:
    """Version 1 said kilograms. Version 2 says grams; that version 1 may be told without loss, it gained `rest_g`."""

    @event("toy.lot_weighed", version=1, subject="lot_id", summary="A lot was weighed.")
    class LotWeighed:
        lot_id: str = detail("The lot.", example="l-1")
        mass_kg: int = detail("Its mass, rounded down.", example=5)
        rest_g: int = detail("What rounding left out.", example=250, default=0)

    @event("toy.lot_weighed", version=2, subject="lot_id", summary="A lot was weighed.", replaces=LotWeighed)
    class LotWeighedV2:
        lot_id: str = detail("The lot.", example="l-1")
        mass_g: int = detail("Its mass.", example=5250)

        @classmethod
        def upcast(cls, old: Any) -> Any:
            if old.mass_kg < 0:
                raise ValueError("no lot weighs less than nothing")
            return cls(lot_id=old.lot_id, mass_g=old.mass_kg * 1000 + old.rest_g)

        def downcast(self) -> Any:
            return LotWeighed(lot_id=self.lot_id, mass_kg=self.mass_g // 1000, rest_g=self.mass_g % 1000)

    return types.SimpleNamespace(first=LotWeighed, second=LotWeighedV2)


@pytest.fixture
def releases(contracts: Any) -> Any:
    """Each side of the toy before and after the change."""

    class OldProducer:
        @command(Weigh(), roles=(SECRETARIAT,))
        def weigh(self: Any, request: dict, caller: Any) -> dict:
            kg, rest_g = divmod(request["mass_g"], 1000)
            weighed = contracts.first(lot_id=request["lot_id"], mass_kg=kg, rest_g=rest_g)
            self.lots.weigh(request["lot_id"], weighed)
            return {}

    class NewProducer:
        @command(Weigh(), roles=(SECRETARIAT,))
        def weigh(self: Any, request: dict, caller: Any) -> dict:
            self.lots.weigh(request["lot_id"], contracts.second(**request))
            return {}

    class OldConsumer:
        @on_event(contracts.first)
        def note(self: Any, event: Any, envelope: Any) -> None:
            if event.lot_id == "l-hated":
                raise ValueError("this release cannot")
            self.lots.note(event.lot_id, event.mass_kg * 1000 + event.rest_g)

    class NewConsumer:
        @on_event(contracts.second)
        def note(self: Any, event: Any, envelope: Any) -> None:
            self.lots.note(event.lot_id, event.mass_g)

    return types.SimpleNamespace(
        old_producer=OldProducer, new_producer=NewProducer, old_consumer=OldConsumer, new_consumer=NewConsumer
    )


@pytest.fixture
def provisioned(settings: dict[str, Any], contracts: Any) -> None:
    topology = ServiceTopology(service="toy", consumes=[contracts.second])
    provision(settings["AMQP_URI"], settings["MONGO_URI"], settings["database"].removesuffix("_toy"), [topology])


@pytest.fixture
def deploy(settings: dict[str, Any], provisioned: None) -> Iterator[Callable[..., Any]]:
    """Stops the release that runs and starts one made of these sides; gives its database."""
    running: list[ServiceContainer] = []

    def deploy(*sides: type) -> Any:
        while running:
            running.pop().stop()
        container = ServiceContainer(type("Toy", (*sides, DeadLetterApi), {"name": "toy", "lots": Stored(Lots)}))
        container.start()
        running.append(container)
        resources = next(e for e in container.subextensions if type(e).__name__ == "Resources")
        eventually(lambda: resources.consumer._check()[0])
        return resources.mongo.database

    with nameko.config.patch(settings, clear=True):
        yield deploy
        while running:
            running.pop().stop()


@pytest.fixture
def toy(provisioned: None) -> None:
    """In place of the toy that the other tests know: the bus asks for it."""


def weigh(bus: Any, issuer: Any, lot_id: str, mass_g: int) -> None:
    answer = bus.call("weigh", issuer.token(), lot_id=lot_id, mass_g=mass_g, idempotency_key=uuid.uuid4().hex)
    assert answer["error"] is None


def old_message(contracts: Any, lot_id: str, mass_kg: int) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC)
    weighed = contracts.first(lot_id=lot_id, mass_kg=mass_kg)
    return wrap(weighed, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")


def note_of(database: Any, lot_id: str) -> tuple[int, int]:
    """How often it was noted, and with which mass; waits for the first time."""
    note = eventually(lambda: database["notes"].find_one({"_id": lot_id}), within_s=15)
    return note["times"], note["mass_g"]


def all_read(bus: Any) -> bool:
    return bus.count(FIRST) == bus.count(SECOND) == 0


def test_a_new_producer_is_understood_by_an_old_consumer_and_nothing_counts_again_after_its_upgrade(
    deploy, releases, bus, issuer
):
    database = deploy(releases.new_producer, releases.old_consumer)
    weigh(bus, issuer, "l-1", 5250)
    eventually(lambda: bus.count(SECOND) == 1)
    noted_before = note_of(database, "l-1")

    database = deploy(releases.new_producer, releases.new_consumer)
    eventually(lambda: all_read(bus))
    weigh(bus, issuer, "l-2", 7)

    assert note_of(database, "l-2") == (1, 7)
    assert noted_before == note_of(database, "l-1") == (1, 5250)


def test_an_old_producer_is_understood_by_a_new_consumer(deploy, releases, bus, issuer):
    database = deploy(releases.old_producer, releases.new_consumer)

    weigh(bus, issuer, "l-1", 5250)

    assert note_of(database, "l-1") == (1, 5250)


def test_an_event_that_comes_in_both_versions_counts_once_and_loses_nothing(deploy, releases, bus, issuer):
    database = deploy(releases.new_producer, releases.new_consumer)

    for number in range(20):
        weigh(bus, issuer, f"l-{number}", 5250 + number)

    assert [note_of(database, f"l-{number}") for number in range(20)] == [(1, 5250 + n) for n in range(20)]
    eventually(lambda: all_read(bus))
    assert {note["times"] for note in database["notes"].find()} == {1}
    eventually(lambda: database["outbox"].count_documents({}) == 0)
    assert {event["type"] for event in database["events"].find()} == {"toy.lot_weighed.v2"}


def test_both_versions_carry_the_same_id_inside_and_outside(deploy, releases, bus, issuer):
    deploy(releases.new_producer)

    weigh(bus, issuer, "l-1", 5250)
    (old_properties, old), (properties, new) = (eventually(lambda q=q: bus.take(q)) for q in (FIRST, SECOND))

    assert b'"mass_kg":5' in old and b'"mass_g":5250' in new
    assert old_properties.message_id == properties.message_id
    assert f'"id":"{properties.message_id}"'.encode() in old
    assert (old_properties.type, properties.type) == ("toy.lot_weighed.v1", "toy.lot_weighed.v2")


def test_what_the_release_before_left_in_its_queue_is_brought_up(deploy, releases, contracts, bus):
    bus.publish_event(old_message(contracts, "l-1", 5))

    database = deploy(releases.new_producer, releases.new_consumer)

    assert note_of(database, "l-1") == (1, 5000)


def test_a_consumer_goes_back_to_the_release_before(deploy, releases, bus, issuer):
    deploy(releases.new_producer, releases.new_consumer)
    weigh(bus, issuer, "l-1", 5250)
    eventually(lambda: all_read(bus))

    database = deploy(releases.old_producer, releases.old_consumer)
    weigh(bus, issuer, "l-2", 3000)

    assert (note_of(database, "l-1"), note_of(database, "l-2")) == ((1, 5250), (1, 3000))


def parked(bus: Any, issuer: Any) -> dict[str, Any]:
    """The only parked dead letter, as soon as there is one."""
    items = eventually(lambda: bus.call("list_dead_letters", issuer.token(OPERATOR))["result"]["items"], within_s=15)
    assert len(items) == 1
    return items[0]


def operate(bus: Any, issuer: Any, method: str, **arguments: Any) -> dict[str, Any]:
    return bus.call(method, issuer.token(OPERATOR), why="test", idempotency_key=uuid.uuid4().hex, **arguments)


def test_a_dead_letter_of_the_release_before_is_brought_up_when_it_is_replayed(
    deploy, releases, contracts, bus, issuer
):
    bus.publish_event(old_message(contracts, "l-hated", 5))
    deploy(releases.old_producer, releases.old_consumer)
    letter = parked(bus, issuer)

    database = deploy(releases.new_producer, releases.new_consumer)
    operate(bus, issuer, "replay_dead_letters", ids=[letter["id"]])

    assert (letter["queue"], letter["reason"]) == (FIRST, "retries_exhausted")
    assert note_of(database, "l-hated") == (1, 5000)


def test_a_message_that_no_upcaster_can_bring_up_is_parked_mended_in_its_own_version_and_replayed(
    deploy, releases, contracts, bus, issuer
):
    database = deploy(releases.new_producer, releases.new_consumer)
    message = old_message(contracts, "l-1", -5)
    bus.publish_event(message)
    letter = parked(bus, issuer)

    as_new = wrap_like(message, "toy.lot_weighed.v2", mass_g=5000)
    refused = operate(bus, issuer, "edit_dead_letter", id=letter["id"], body=as_new)
    schemaless = wrap_like(message, "toy.lot_weighed.v1", mass_kg="five")
    refused_too = operate(bus, issuer, "edit_dead_letter", id=letter["id"], body=schemaless)
    mended = wrap_like(message, "toy.lot_weighed.v1", mass_kg=5)
    taken = operate(bus, issuer, "edit_dead_letter", id=letter["id"], body=mended)
    operate(bus, issuer, "replay_dead_letters", ids=[letter["id"]])

    assert letter["reason"] == "upcast"
    assert [e["path"] for answer in (refused, refused_too) for e in answer["error"]["errors"]] == [
        "body.type",
        "body.mass_kg",
    ]
    assert taken["error"] is None
    assert note_of(database, "l-1") == (1, 5000)


def wrap_like(message: dict[str, Any], type_name: str, **data: Any) -> str:
    return json.dumps(message | {"type": type_name, "data": message["data"] | data})
