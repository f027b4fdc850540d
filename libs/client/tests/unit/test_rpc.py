"""What a reply becomes in the caller's process."""

import dataclasses
import datetime
import enum
import json
import pathlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.rpc.client import _KNOWN, Client, MalformedReply, _body, _plain, _result, refusal_from
from touchstone_contracts.errors import FieldError, InProgress, InvalidReport, Refusal


def test_an_error_object_becomes_the_refusal_that_its_code_names():
    error = {
        "code": "invalid_report",
        "message": "Two things are wrong.",
        "errors": [{"path": "findings[3].rating", "code": "unknown_rating", "message": "'good' is not a rating."}],
        "retryable": False,
    }

    refusal = refusal_from(error)

    assert type(refusal) is InvalidReport
    assert refusal.errors == (FieldError("findings[3].rating", "unknown_rating", "'good' is not a rating."),)
    assert refusal.as_dict() == error


# Those of the contracts: elsewhere in a test run there may be refusals that are made for a test.
PUBLISHED = {code: kind for code, kind in _KNOWN.items() if kind is not Refusal}


@pytest.mark.parametrize("code", sorted(PUBLISHED))
def test_every_published_code_has_its_own_refusal(code: str):
    assert type(refusal_from({"code": code, "message": ""})).__dict__["code"] == code


def test_a_code_that_this_release_does_not_know_is_still_told():
    refusal = refusal_from({"code": "out_of_paper", "message": "Later.", "retryable": True})

    assert type(refusal) is Refusal
    assert (refusal.code, refusal.retryable, str(refusal)) == ("out_of_paper", True, "Later.")


def test_one_refusal_does_not_change_the_next():
    refusal_from({"code": "in_progress", "retryable": False})

    assert InProgress("").retryable


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"result": 1}', b'{"result": 1, "error": "no"}'])
def test_what_is_no_reply_is_said_to_be_none(body: bytes):
    with pytest.raises(MalformedReply):
        _result(body, 0.0)


@pytest.mark.parametrize("result", [None, 0, False, [], {"a": [1]}])
def test_a_result_is_what_the_json_says(result: Any):
    assert _result(json.dumps({"result": result, "error": None}).encode(), 0.0) == result


def test_an_argument_that_json_cannot_say_is_refused_before_anything_is_sent():
    client = Client("amqp://127.0.0.1:1/")

    with pytest.raises(TypeError):
        client.call("s", "m", argument=object())
    with pytest.raises(ValueError, match="JSON"):
        client.call("s", "m", argument=float("nan"))


class Colour(enum.Enum):
    RED = "red"
    DAY = datetime.date(2026, 1, 2)
    NONE = float("nan")


@dataclasses.dataclass
class Form:
    name: str


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),  # lone surrogates, too
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)),
    st.decimals(),
    st.sampled_from([*Colour, Form("a"), datetime.time(1), object, b"x", {1}]),
)
ARGUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(ARGUMENTS)
def test_a_body_says_what_the_standard_library_says_and_refuses_what_it_refuses(argument: Any):
    try:
        wanted = json.loads(json.dumps(argument, default=_plain, allow_nan=False))
    except (TypeError, ValueError) as failure:
        with pytest.raises(type(failure)):
            _body({"argument": argument})
    else:
        assert json.loads(_body({"argument": argument})) == {"args": [], "kwargs": {"argument": wanted}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), Colour.NONE])
def test_what_is_no_number_is_refused_however_deep_it_lies(value: Any):
    with pytest.raises(ValueError, match="JSON"):
        _body({"report": [{"score": (1.5, value)}]})


def test_the_readme_lists_the_published_codes_and_which_of_them_are_worth_another_try():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (retryable)? ?\| \w", readme, flags=re.MULTILINE)

    retryable = {kind.code for kind in PUBLISHED.values() if kind.retryable}
    assert {code for code, _ in rows} == set(PUBLISHED)
    assert {code for code, mark in rows if mark} == retryable
