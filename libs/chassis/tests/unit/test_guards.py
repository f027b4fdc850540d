"""Guards: any bytes and headers give a JSON object or a reason, nothing else."""

import json
from typing import Any

import amqp
import nameko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone_chassis.consuming import Delivery
from touchstone_chassis.guards import BadMessage, decode, text_header, traceparent


@pytest.fixture(autouse=True, scope="module")
def _config() -> Any:
    with nameko.config.patch({"message_bytes_max": 10_000}):
        yield


def a_delivery(body: bytes, headers: Any = None, content_type: Any = "application/json", **properties: Any) -> Delivery:
    message = amqp.Message(body, application_headers=headers or {}, content_type=content_type, **properties)
    return Delivery("queue", message, None, None)  # type: ignore[arg-type]


HEADER_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(
    body=st.binary() | JSON.map(lambda v: json.dumps(v).encode()),
    headers=st.dictionaries(
        st.sampled_from(["compression", "nameko.call_id_stack", "nameko.deadline", "traceparent", "x"]), HEADER_VALUES
    ),
    content_type=st.none() | st.sampled_from(["application/json", "text/plain", ""]) | st.integers(),
    encoding=st.none() | st.sampled_from(["utf-8", "binary", "gzip"]) | st.binary(),
)
def test_whatever_comes_is_an_object_or_a_reason(body, headers, content_type, encoding):
    delivery = a_delivery(body, headers, content_type, content_encoding=encoding)

    try:
        decoded = decode(delivery, "application/json")
    except BadMessage as bad:
        assert bad.reason
    else:
        assert isinstance(decoded, dict)
    traceparent(delivery)


def test_headers_that_are_no_table_are_no_headers():
    delivery = a_delivery(b"{}")
    delivery.message.properties["application_headers"] = ["not", "a", "table"]

    assert decode(delivery, "application/json") == {}


def test_a_header_is_taken_when_it_is_text_of_reasonable_length():
    delivery = a_delivery(b"{}", {"a": 7, "b": "x" * 5000, "c": "", "d": b"bytes", "e": "text"})

    assert text_header(delivery, "a", "b", "c", "d") == "bytes"
    assert text_header(delivery, "e") == "text"
    assert text_header(delivery, "f") is None


def test_only_a_well_formed_traceparent_is_passed_on():
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    assert traceparent(a_delivery(b"{}", {"nameko.traceparent": good})) == good
    assert traceparent(a_delivery(b"{}", {"traceparent": good + "\r\nx"})) is None
