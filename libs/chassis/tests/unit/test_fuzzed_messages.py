"""Mutated messages by the thousand: whatever comes is decoded, refused with a reason, or kept as it is; nothing raises.

TOUCHSTONE_FUZZ=100000 tries more of them, TOUCHSTONE_SEED others; a failure names the seed and the number of its input.
"""

import datetime
import decimal
import json
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import bson
import nameko
import orjson
import pytest
from marshmallow import ValidationError

import touchstone_contracts
import touchstone_contracts.events
from touchstone_chassis.amqp import connections
from touchstone_chassis.amqp.publisher import Outgoing, is_sendable
from touchstone_chassis.consuming.decoding import BadMessage, decode, text_header, traceparent
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.retry import attempts_of
from touchstone_chassis.deadletters.letter import DeadLetter, new_document, parked_again
from touchstone_chassis.rpc import method
from touchstone_contracts.envelope import CONTENT_TYPE, unwrap
from touchstone_contracts.errors import DeadlineExceeded, InvalidRequest
from touchstone_contracts.registry import REGISTRY

pytestmark = pytest.mark.usefixtures("fixed_time")

COUNT = int(os.environ.get("TOUCHSTONE_FUZZ", "3000"))
SEED = int(os.environ.get("TOUCHSTONE_SEED", "1"))
EXAMPLES = [
    path.read_bytes() for path in sorted((Path(touchstone_contracts.__file__).parent / "examples").glob("*.json"))
]
TOKENS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"\\u0000",
        b"null",
    ),
    *(b"1e999", b"-0", b"NaN", b"9" * 30, b"[" * 70, b'{"a":' * 70, b"true", b'"$gt"', b"9999-12-31T23:59:59-14:00"),
]
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "x", "\0", "\u00b2", "9" * 5000, "x" * 70_000),
    *(b"\xff\xfe", [], [1], ["x"], [["x"]], {}, {"$gt": ""}, {"a.b": {"": b"\xff"}}, decimal.Decimal("1.5")),
    *(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31), "2026-01-01T00:00:00-99:00", "e30.e30.e30"),
]
HEADERS = [
    *("nameko.call_id_stack", "nameko.authorization", "authorization", "nameko.deadline", "nameko.correlation_id"),
    *("traceparent", "compression", "x-death", "x-last-death-queue", "touchstone-attempt", "touchstone-reason"),
    *(
        "touchstone-tag",
        "touchstone-consumer",
        "touchstone-parked-at",
        "touchstone-dead-letter",
        "$where",
        "a\0b",
        "",
        "é",
    ),
]


@pytest.fixture(autouse=True, scope="module")
def _config() -> Any:
    limits = {"message_bytes_max": 1_000_000, "rpc_timeout_default_s": 30, "retry_delays_s": [1]}
    with nameko.config.patch(limits):
        yield


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body with one to four changes: bytes cut out, doubled, flipped, or tokens of JSON put in."""
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randint(0, len(body)), chance.choice((0, 1, 1, 2, 10, 200))
        put_in = chance.choice((b"", body[at : at + length] * 2, bytes([chance.randrange(256)]), chance.choice(TOKENS)))
        body = body[:at] + put_in + body[at + length :]
    return body


def deliveries() -> Iterator[tuple[str, Delivery]]:
    """Deliveries with mutated bodies, and headers and properties out of a hat; each with what to call it."""
    for number in range(COUNT):
        chance = random.Random(f"{SEED}/{number}")
        body = mutated(chance.choice(EXAMPLES), chance) if chance.random() < 0.9 else chance.choice(EXAMPLES)
        headers = {chance.choice(HEADERS): chance.choice(VALUES) for _ in range(chance.choice((0, 0, 1, 3)))}
        properties = {name: chance.choice(VALUES) for name in ("message_id", "reply_to") if chance.random() < 0.3}
        content_type = chance.choice((CONTENT_TYPE, CONTENT_TYPE, CONTENT_TYPE, "application/json", None))
        message = amqp.Message(body, application_headers=headers, content_type=content_type, **properties)
        yield f"seed {SEED}, input {number}", Delivery("queue", message, None)  # type: ignore[arg-type]


def test_a_mutated_event_is_an_event_or_is_refused_with_a_reason() -> None:
    outcomes = {"event": 0, "bad": 0, "schema": 0}

    for name, delivery in deliveries():
        try:
            envelope, event = unwrap(decode(delivery, CONTENT_TYPE))
            orjson.dumps(type(event).schema.dump(event))
            assert REGISTRY[envelope.type] is type(event)
            envelope.time.astimezone(datetime.UTC)
            outcomes["event"] += 1
        except BadMessage as bad:
            assert bad.reason
            outcomes["bad"] += 1
        except ValidationError as invalid:
            assert ", ".join(sorted(map(str, invalid.messages_dict)))
            outcomes["schema"] += 1
        except Exception as error:
            raise AssertionError(name) from error

    assert min(outcomes.values()) > COUNT / 100, outcomes


def test_a_mutated_call_has_arguments_a_deadline_and_a_context_or_is_refused() -> None:
    for name, delivery in deliveries():
        try:
            text_header(delivery, "nameko.authorization", "authorization")
            traceparent(delivery)
            attempts_of(delivery)
            method._deadline(delivery)
            method._arguments(decode(delivery, CONTENT_TYPE, "application/json"))
        except (BadMessage, DeadlineExceeded, InvalidRequest):
            continue
        except Exception as error:
            raise AssertionError(name) from error


def test_whatever_is_given_up_can_be_kept_and_can_be_copied_or_is_called_unsendable() -> None:
    now = datetime.datetime.now(datetime.UTC)

    for name, delivery in deliveries():
        try:
            found = DeadLetter(delivery.body, delivery.headers, {"message_id": delivery.attribute("message_id")})
            kept = parked_again(new_document(found, "toy", now), found, now)
            bson.encode(kept)
            assert isinstance(is_sendable(Outgoing("", "queue", found.body, "tag", {}, delivery.headers)), bool)
        except Exception as error:
            raise AssertionError(name) from error


def test_properties_of_random_bytes_are_read_or_marked() -> None:
    for number in range(COUNT):
        chance = random.Random(f"{SEED}/{number}")
        item = mutated(b"\x01tT\0\0\0\0\0\0\0\x01\x01aF\0\0\0\x05\x01bS\0\0\0\x01x\x01dA\0\0\0\x02t\x01", chance)
        buffer = struct.pack(">HI", 0x2000, len(item)) + item

        properties, _ = connections._properties_or_a_mark(buffer, 0)

        assert set(properties) <= {"application_headers", connections.UNREADABLE}, f"seed {SEED}, input {number}"


def test_the_mutator_leaves_little_as_it_was() -> None:
    changed = [mutated(EXAMPLES[0], random.Random(number)) != EXAMPLES[0] for number in range(200)]

    assert sum(changed) > 150
    assert all(json.loads(example) for example in EXAMPLES)
