"""Guards: any bytes and headers give a JSON object or a reason, nothing else."""

import json
import time
from typing import Any

import amqp
import nameko
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from touchstone_chassis.consuming.decoding import (
    KEYS_MAX,
    VALUES_MAX,
    BadMessage,
    correlation_id,
    decode,
    text_header,
    traceparent,
)
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_testing.examples import examples

pytestmark = pytest.mark.usefixtures("fixed_time")


@pytest.fixture(autouse=True, scope="module")
def _config() -> Any:
    with nameko.config.patch({"message_bytes_max": 100_000}):
        yield


def a_delivery(body: bytes, headers: Any = None, content_type: Any = "application/json", **properties: Any) -> Delivery:
    message = amqp.Message(body, application_headers=headers or {}, content_type=content_type, **properties)
    return Delivery("queue", message, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("c-1", "c-1"), (b"c-1", "c-1"), *((bad, None) for bad in ("", "a\0", "a\nb", "\ud800", "x" * 101))],
)
def test_a_correlation_id_is_kept_where_it_is_a_visible_line(given: Any, kept: str | None) -> None:
    assert correlation_id(a_delivery(b"{}", {"nameko.correlation_id": given})) == kept


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


def decoded_slowly(delivery: Delivery, content_type: str) -> Any:
    """How bodies were decoded before there was a quick way: twice, by two parsers, whatever was in them."""
    body = delivery.body
    if len(body) > nameko.config["message_bytes_max"]:
        raise BadMessage("too_large", "")
    try:
        checked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadMessage("too_deep" if "depth" in str(error) else "undecodable", "") from None
    if not isinstance(checked, dict):
        raise BadMessage("undecodable", "")
    if is_deeper(checked, 64):
        raise BadMessage("too_deep", "")
    json.loads(body, object_pairs_hook=each_once)
    return json.loads(body, parse_int=of_64_bits)


def each_once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise BadMessage("doubled_key", "")


def is_deeper(value: Any, levels_max: int) -> bool:
    level = [value]
    for _ in range(levels_max):
        inside = [child for parent in level for child in (parent.values() if isinstance(parent, dict) else parent)]
        level = [child for child in inside if isinstance(child, (dict, list))]
    return bool(level)


def of_64_bits(digits: str) -> int:
    if not -(2**63) <= int(digits) < 2**63:
        raise BadMessage("undecodable", "")
    return int(digits)


def outcome(decoding: Any, body: bytes) -> Any:
    try:
        return repr(decoding(a_delivery(body), "application/json"))
    except BadMessage as bad:
        return bad.reason


NUMBERS = (
    st.integers().map(str)
    | st.integers(-(2**65), 2**65).map(str)
    | st.sampled_from([2**63, 2**64, 2**53, 10**18, 10**19]).flatmap(
        lambda edge: st.tuples(st.integers(-3, 3), st.sampled_from("+-")).map(
            lambda off: str(edge + off[0]) if off[1] == "+" else str(-edge + off[0])
        )
    )
    | st.floats(allow_nan=True).map(json.dumps)
    | st.from_regex(r"-?[0-9]{1,40}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
    | st.sampled_from(["-0", "-0.0", "0e0", "-0e-0", "1E400", "-1e-400", "00", "+1", "1.", ".5", "9" * 400, "9" * 5000])
)
TEXTS = st.text().map(json.dumps) | st.sampled_from(
    [r'"\ud800"', r'"\udc00\ud800"', r'"\ud83d\ude00"', '"\x00"', r'"\u0000"', r'"\/"', '"é"', '"']
)
NAMES = TEXTS | st.sampled_from(['"a"', '"b"', r'"\u0061"', '":"', r'"\u003a"', r'"\u003A"', r'"\":"', "1"])
BODIES = st.recursive(
    NUMBERS | NAMES | st.sampled_from(["true", "false", "null", "NaN", "Infinity", "", " 1 ", "tru"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(NAMES, st.sampled_from([":", ": ", " :"]), inner), max_size=4).map(
            lambda members: "{" + ", ".join(map("".join, members)) + "}"
        )
    ),
)


@example(inside='{"a":9223372036854775808, "a":[]}', tail="")
@example(inside=r'{"a":"\u003a", "a":"\u003a"}', tail="")
@example(inside=r'{"a":"\u003A", "a":"\u003A"}', tail="")
@example(inside=r'{"a" :1, "a":":", "\u0061": "\":"}', tail="")
@given(inside=BODIES, tail=st.sampled_from(["", "", "", " \n", ",", "x", "\ufeff"]))
@settings(max_examples=examples(300))
def test_every_body_is_decoded_or_refused_as_if_both_parsers_had_read_it(inside, tail):
    for text in (inside + tail, f'{{"a": {inside}, "b": [1, {inside}]}}{tail}'):
        body = text.encode("utf-8", "surrogatepass")

        assert outcome(decode, body) == outcome(decoded_slowly, body)


@pytest.mark.parametrize("levels", [1, 31, 62, 63, 64, 65, 66, 254, 255, 256, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize("bottom", ["", "1", "1.5", "18446744073709551616", "null"])
def test_nesting_is_refused_from_the_same_level_on(levels, bottom):
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        inner = bottom or ("[]" if opening == "[" else "{}")
        body = f'{{"a": {opening * levels}{inner}{closing * levels}}}'.encode()

        assert outcome(decode, body) == outcome(decoded_slowly, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 9223372036854775808, "a": 1}',
        b'{"a": {"b": 99999999999999999999}, "a": []}',
        b'{"a": 9223372036854775807, "b": -9223372036854775808, "a": -1}',
        b'{"a": "99999999999999999999"}',
        b'{"a": 1.5, "a": 1, "b": 0.00000000000000000001, "c": 1e19}',
    ],
)
def test_what_another_value_takes_the_place_of_is_not_overlooked(body):
    assert outcome(decode, body) == outcome(decoded_slowly, body)


def test_a_key_that_stands_twice_is_named():
    body = rb'{"kwargs": {"x": 1}, "b": [1, {"rating": "good", "note": ":", "r\u0061ting" : "bad"}]}'

    with pytest.raises(BadMessage, match="more than once") as refused:
        decode(a_delivery(body), "application/json")

    assert [fault.path for fault in refused.value.faults] == ["b[1].rating"]


@pytest.mark.parametrize("levels", [70, 900, 1020])
def test_what_is_deep_and_taken_the_place_of_is_refused_too(levels):
    body = f'{{"a": {"[" * levels}{"]" * levels}, "a": 1}}'.encode()

    assert outcome(decode, body) in ("doubled_key", "too_deep")


def an_object(members: int) -> str:
    return "{" + ",".join(f'"k{number}":{number}' for number in range(members)) + "}"


@pytest.mark.parametrize(
    ("most", "more"),
    [
        (an_object(KEYS_MAX), an_object(KEYS_MAX + 1)),
        (f'{{"a":[{an_object(KEYS_MAX)},1.5]}}', f'{{"a":[{an_object(KEYS_MAX + 1)},1.5]}}'),
        (f'{{"a":[{",".join("1" * (VALUES_MAX - 1))}]}}', f'{{"a":[{",".join("1" * VALUES_MAX)}]}}'),
        (
            f'{{"a":[{",".join(["[1]"] * (VALUES_MAX // 2 - 1))}]}}',
            f'{{"a":[{",".join(["[1]"] * (VALUES_MAX // 2))}]}}',
        ),
    ],
    ids=["members", "members further inside", "items", "items further inside"],
)
def test_a_body_holds_so_much_and_no_more(most, more):
    assert decode(a_delivery(most.encode()), "application/json") == json.loads(most)
    assert outcome(decode, more.encode()) == "too_many"


def test_a_body_that_is_far_too_large_is_refused_at_once():
    body = an_object(80_000).encode()
    began = time.process_time()

    with nameko.config.patch({"message_bytes_max": len(body)}):
        assert outcome(decode, body) == "too_many"

    assert time.process_time() - began < 0.1


def test_less_may_be_allowed_than_for_all_messages():
    assert decode(a_delivery(b'{"a":1}'), "application/json", bytes_max=7) == {"a": 1}
    with pytest.raises(BadMessage, match="8 bytes; at most 7"):
        decode(a_delivery(b'{"a":12}'), "application/json", bytes_max=7)


def test_a_body_whose_end_is_not_the_same_would_be_noticed():
    big = b'{"a": 18446744073709551616}'

    assert outcome(lambda delivery, _: orjson.loads(delivery.body), big) != outcome(decoded_slowly, big)
    assert outcome(decode, big) == "undecodable"
