"""The inbox goes by a handler's durable name: methods are renamed and joined, and nothing counts twice."""

import datetime
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import nameko
import orjson
import pika
import pytest
from nameko.containers import ServiceContainer

from touchstone.provisioning.provision import provision
from touchstone_chassis.api import Stored, on_event
from touchstone_chassis.handlers.events import OnEvent
from touchstone_contracts.envelope import CONTENT_TYPE, wrap
from touchstone_contracts.registry import detail, event
from touchstone_contracts.topology import ServiceTopology, event_queue
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys


class Counts:
    """How often each lot was noted."""

    def __init__(self, unit: Any):
        self.unit = unit

    def note(self, lot_id: str) -> None:
        count = self.unit.find_one("counts", {"_id": lot_id}) or {"_id": lot_id, "version": 0, "times": 0}
        self.unit.save("counts", count | {"times": count["times"] + 1})


@pytest.fixture
def lots() -> Any:
    @event("toy.lot_opened", version=1, subject="lot_id", summary="A lot was opened.")
    class LotOpened:
        lot_id: str = detail("The lot.", example="l-1")

    @event("toy.lot_closed", version=1, subject="lot_id", summary="A lot was closed.")
    class LotClosed:
        lot_id: str = detail("The lot.", example="l-1")

    return types.SimpleNamespace(opened=LotOpened, closed=LotClosed)


@pytest.fixture
def releases(lots: Any) -> dict[str, type]:
    """The consumer as it was, and what became of its methods since."""

    class Before:
        @on_event(lots.opened)
        def note(self: Any, event: Any, envelope: Any) -> None:
            self.counts.note(event.lot_id)

        @on_event(lots.closed)
        def strike_out(self: Any, event: Any, envelope: Any) -> None:
            self.counts.note(event.lot_id)

    class Renamed(Before):
        note = None

        @on_event(lots.opened, handler="note")
        def remember(self: Any, event: Any, envelope: Any) -> None:
            self.counts.note(event.lot_id)

    class Joined:
        @on_event(lots.opened, lots.closed, handler="note", formerly={lots.closed: "strike_out"})
        def remember(self: Any, event: Any, envelope: Any) -> None:
            self.counts.note(event.lot_id)

    class Careless(Before):
        note = None

        @on_event(lots.opened)
        def remember(self: Any, event: Any, envelope: Any) -> None:
            self.counts.note(event.lot_id)

    return {"before": Before, "renamed": Renamed, "joined": Joined, "careless": Careless}


@pytest.fixture
def deploy(settings: dict[str, Any], lots: Any, releases: dict[str, type]) -> Iterator[Callable[[str], Any]]:
    """Stops the release that runs and starts another; gives its resources."""
    topology = ServiceTopology(service="toy", consumes=[lots.opened, lots.closed])
    provision(settings["AMQP_URI"], settings["MONGO_URI"], settings["database"].removesuffix("_toy"), [topology])
    running: list[ServiceContainer] = []

    def deploy(release: str) -> Any:
        while running:
            running.pop().stop()
        container = ServiceContainer(type("Toy", (releases[release],), {"name": "toy", "counts": Stored(Counts)}))
        container.start()
        running.append(container)
        resources = next(e for e in container.subextensions if type(e).__name__ == "Resources")
        eventually(lambda: resources.consumer._check()[0])
        return resources

    with nameko.config.patch(settings, clear=True):
        yield deploy
        while running:
            running.pop().stop()


@pytest.fixture
def deliver(settings: dict[str, Any]) -> Iterator[Callable[[Any], None]]:
    """Puts an event into the consumer's queue, of one lot always under one id."""
    connection = pika.BlockingConnection(pika.URLParameters(settings["AMQP_URI"]))
    ids: dict[str, str] = {}

    def deliver(event: Any) -> None:
        id, now = ids.setdefault(event.lot_id, uuid.uuid4().hex), datetime.datetime.now(datetime.UTC)
        body = orjson.dumps(wrap(event, id=id, time=now, sequence=1, correlation_id="c-1"))
        headers = event_keys().headers(event.producer, body)
        properties = pika.BasicProperties(content_type=CONTENT_TYPE, message_id=id, headers=headers)
        connection.channel().basic_publish("", event_queue("toy", event.type_name), body, properties)

    yield deliver
    connection.close()


@pytest.mark.parametrize(("release", "times"), [("renamed", 1), ("joined", 1), ("careless", 2)])
def test_an_event_that_comes_again_after_its_handler_was_renamed_counts_once(lots, deploy, deliver, release, times):
    opened, closed = lots.opened(lot_id="l-1"), lots.closed(lot_id="l-2")
    for deployed in ("before", release):
        running = deploy(deployed)
        for lot in (opened, closed, lots.opened(lot_id=uuid.uuid4().hex)):
            deliver(lot)
        counts = running.mongo.database["counts"]
        eventually(lambda: counts.find_one({"_id": lot.lot_id}))  # noqa: B023 - asked at once
        eventually(lambda: not running.consumer.channels.in_flight)  # noqa: B023

    assert counts.find_one({"_id": "l-1"})["times"] == times
    assert counts.find_one({"_id": "l-2"})["times"] == 1


def test_a_new_version_of_an_event_keeps_the_name_by_which_the_version_before_was_handled():
    first = type("LotOpened", (), {})
    second = type("LotOpenedV2", (), {"replaces": first})

    assert OnEvent(second, handler="note", formerly={first: "strike_out"}).handler_of(second) == "strike_out"
