"""Queues that are not as the topology says: seen, said with the way out, and never changed by looking."""

import secrets
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions
import pytest
import requests

from touchstone_chassis.health.queue_arguments import QueueArguments
from touchstone_contracts.topology import dead_letter, dead_letter_arguments, retry_queue, work_queue_arguments

QUEUE = "drift.work"
WANTED = work_queue_arguments("drift")


@pytest.fixture
def channel(amqp_uri: str) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(amqp_uri)) as connection:
        yield connection.channel()


@pytest.fixture
def compare(amqp_uri: str) -> Callable[..., tuple[bool, str]]:
    """Compares the queue with what is wanted of it, as the user in the address."""
    return lambda uri=amqp_uri: QueueArguments(lambda: uri, lambda: {QUEUE: WANTED})()


def test_a_queue_that_is_as_it_should_be_is_well(channel, compare):
    channel.queue_declare(QUEUE, durable=True, arguments=WANTED)

    assert compare() == (True, "1 queues are as they should be")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"x-delivery-limit": 7}, "has x-delivery-limit 7 instead of 50"),
        ({"x-overflow": "drop-head", "x-dead-letter-strategy": "at-most-once"}, "has x-dead-letter-strategy"),
        ({"x-dead-letter-exchange": "elsewhere"}, "has x-dead-letter-exchange elsewhere instead of drift.dead-letter"),
    ],
)
def test_a_queue_with_other_arguments_is_named_with_the_way_out(channel, compare, change, told):
    channel.queue_declare(QUEUE, durable=True, arguments=WANTED | change)

    ok, detail = compare()

    assert not ok
    assert detail.startswith(f"{QUEUE} {told}") and detail.endswith("see docs/runbooks/change-a-queue.md")
    channel.queue_declare(QUEUE, durable=True, arguments=WANTED | change)  # it is as it was


def test_a_queue_that_is_missing_is_not_made_by_looking(channel, compare):
    ok, detail = compare()

    assert (ok, detail) == (False, f"{QUEUE} does not exist: run `touchstone provision`")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.queue_declare(QUEUE, passive=True)


def test_a_user_without_the_right_to_configure_compares_nothing_and_is_well(backing, channel, compare, amqp_uri):
    if not backing.management_uri:
        pytest.skip("without the management API there is no way to make a user")
    channel.queue_declare(QUEUE, durable=True, arguments=WANTED | {"x-delivery-limit": 7})
    parts = urllib.parse.urlsplit(amqp_uri)
    user = f"u{secrets.token_hex(4)}"
    api = f"{backing.management_uri.rstrip('/')}/api"
    rights = {"configure": "^$", "write": ".*", "read": ".*"}
    requests.put(f"{api}/users/{user}", json={"password": "p", "tags": ""}, timeout=10).raise_for_status()
    requests.put(f"{api}/permissions/{parts.path[1:]}/{user}", json=rights, timeout=10).raise_for_status()

    ok, detail = compare(parts._replace(netloc=f"{user}:p@{parts.netloc.rpartition('@')[2]}").geturl())

    requests.delete(f"{api}/users/{user}", timeout=10)
    assert (ok, detail) == (True, "not allowed to compare 1 of 1 queues: the user has no configure right")


def test_a_broker_that_is_away_is_not_blamed_on_the_queues(compare):
    ok, detail = compare("amqp://guest:guest@127.0.0.1:9/")

    assert ok and detail.startswith("not compared: no answer from the broker")


def test_a_service_compares_what_it_consumes_and_where_it_parks(toy, resources, bus):
    check = QueueArguments(lambda: bus.uri, resources._expected_queues)
    well = check()
    bus.channel.queue_delete(retry_queue("toy", 1))

    ill = QueueArguments(lambda: bus.uri, resources._expected_queues)()

    assert well == (True, f"{len(resources.consumer.queues) + 2} queues are as they should be")
    assert ill == (False, f"{retry_queue('toy', 1)} does not exist: run `touchstone provision`")
    assert resources._expected_queues()[dead_letter("toy")] == dead_letter_arguments()
