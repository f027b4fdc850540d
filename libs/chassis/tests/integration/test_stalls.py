"""A broker or database that stops reading and answering, with its connections open: stopped, or out of memory."""

import time
from collections.abc import Iterator
from typing import Any

import amqp
import eventlet
import nameko
import pytest

from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outcome, Outgoing
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.mongo.client import connect
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_contracts.topology import dead_letter
from touchstone_devkit.backing.replica_set import directly
from touchstone_devkit.eventually import patience

LARGE = b"x" * 500_000


@pytest.fixture
def proxy(amqp_uri: str, proxied: Any) -> Any:
    return proxied(amqp_uri)


@pytest.fixture
def publisher(toy: Any, proxy: Any) -> Iterator[ConfirmingPublisher]:
    publisher = ConfirmingPublisher(proxy.uri, confirm_timeout_s=1)
    yield publisher
    publisher.close()


def _timed(act: Any) -> tuple[Any, float]:
    started = time.monotonic()
    with eventlet.Timeout(20):
        return act(), time.monotonic() - started


def _window(size: int) -> list[Outgoing]:
    return [Outgoing(dead_letter("toy"), "k", LARGE, tag=str(number)) for number in range(size)]


def test_a_broker_that_reads_no_more_keeps_a_publisher_no_longer_than_its_limit(publisher, proxy):
    assert publisher.publish(_window(1)) == [Outcome.CONFIRMED]
    proxy.stall()

    outcomes, took_s = _timed(lambda: publisher.publish(_window(50)))

    assert outcomes == [Outcome.UNKNOWN] * 50
    assert took_s < 3 * patience()
    proxy.resume()
    assert publisher.publish(_window(1)) == [Outcome.CONFIRMED]


def test_a_broker_that_says_nothing_to_a_new_connection_keeps_a_publisher_no_longer_than_its_limit(publisher, proxy):
    proxy.stall()

    outcomes, took_s = _timed(lambda: publisher.publish(_window(1)))

    assert outcomes == [Outcome.UNKNOWN]
    assert took_s < 3 * patience()


def test_a_service_stops_in_time_though_the_broker_does_not_answer(settings, proxy, request):
    settings["AMQP_URI"] = proxy.uri
    toy = request.getfixturevalue("toy")
    proxy.stall()

    _, took_s = _timed(toy.stop)

    assert took_s < 8 * patience()


def test_an_answer_that_the_broker_does_not_take_holds_nobody_up(settings, proxy, resources_behind):
    replies = next(e for e in resources_behind.container.subextensions if type(e).__name__ == "ReplyPublisher")
    delivery = Delivery("q", amqp.Message(b"", reply_to="caller"), None, None)  # type: ignore[arg-type]
    proxy.stall()

    _, took_s = _timed(lambda: [replies.send(delivery, b"1", None)])

    assert took_s < 3 * patience()


@pytest.fixture
def resources_behind(settings: dict[str, Any], proxy: Any, request: Any) -> Iterator[Any]:
    """The core of a toy that reaches its broker through the proxy."""
    settings["AMQP_URI"], settings["confirm_timeout_s"] = proxy.uri, 1
    yield request.getfixturevalue("resources")
    proxy.resume()


@pytest.mark.parametrize("stall_at", ["handler", "commit"])
def test_a_caller_hears_by_its_deadline_that_the_database_does_not_answer(settings, request, stall_at, monkeypatch):
    database_proxy = request.getfixturevalue("proxied")(directly(settings["MONGO_URI"]))  # the set's names lead past it
    toy, bus, issuer = (request.getfixturevalue(name) for name in ("toy", "bus", "issuer"))
    resources = request.getfixturevalue("resources")
    with nameko.config.patch({"MONGO_URI": database_proxy.uri}):
        client = resources.mongo.client = connect(database_proxy.uri)
        resources.mongo.database = client[settings["database"]]
        vars(resources).pop("committer", None)
        resources.unit().find_one("things", {})
    original = Committer.commit

    def commit(*args: Any, **kwargs: Any) -> None:
        database_proxy.stall()
        original(*args, **kwargs)

    if stall_at == "commit":
        monkeypatch.setattr(Committer, "commit", commit)
    else:
        database_proxy.stall()

    reply, took_s = _timed(
        lambda: bus.call(
            "name_thing",
            issuer.token(),
            headers={"nameko.deadline": int((time.time() + 2) * 1000)},
            idempotency_key="k",
            id="t-1",
            label="one",
        )
    )

    assert reply["error"]["code"] == "unavailable"
    assert took_s < 4 * patience()
    database_proxy.resume()
    assert toy.started
