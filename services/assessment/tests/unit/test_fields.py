"""What assessment's own field types and its hash do quickly is what they do slowly."""

import hashlib
import json
import re
import sys
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from assessment import fields as field_types
from assessment.fields import Bounded, Day, Matching, Text, Truth, country, identifier
from assessment.schemas.report import HistorySchema, ReportSchema
from assessment.schemas.report_hash import report_hash
from assessment.schemas.report_parsing import parse_report
from touchstone_contracts.codec import loading
from touchstone_contracts.codec.loading import UNSURE
from touchstone_contracts.codec.source import Same, function_of

CHARACTERS = [chr(point) for point in range(sys.maxunicode + 1)]
FIELDS = {
    "text": Text(8),
    "blank text": Text(8, blank=True, allow_none=True),
    "identifier": identifier(),
    "country": country(or_everywhere=True),
    "day": Day(allow_none=True),
    "truth": Truth(),
    "list": Bounded(Text(3), least=1, most=3),
    "list of nested": Bounded(fields.Nested(Schema.from_dict({"id": identifier(required=True)})), most=2),
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.text("ab-1*QA \t\n\x85\xa0\x00\x1f\x7f\ud800\u200b\u2028é", max_size=10)
    | st.dates().map(str)
    | st.from_regex(r"[0-9]{4}-?[0-9W]{2}-?[0-9]{1,2}\n?", fullmatch=True)
    | st.sampled_from(["2026-02-29", "2026-W10-4", "٢٠٢٦-01-01", "ab", "a" * 64, "a" * 65, "QA", "*", b"ab", ("a",)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "x"]), inner, max_size=2),
    max_leaves=6,
)


def loaded(field: fields.Field, value: Any) -> Any:
    try:
        result = field.deserialize(value)
    except ValidationError:
        return UNSURE
    return type(result), result


def quickly(field: fields.Field, value: Any) -> Any:
    take = loading.take_of(field)
    assert take is not None
    try:
        result = function_of(take)(value)
    except Exception:
        return UNSURE
    return type(result), result


@pytest.mark.parametrize("name", FIELDS)
@given(value=VALUES)
@settings(max_examples=200)
def test_a_field_that_is_sure_has_loaded_what_it_loads(name: str, value: Any) -> None:
    field = FIELDS[name]

    quick = quickly(field, value)

    assert quick is UNSURE or repr(quick) == repr(loaded(field, value))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        *(("text", text) for text in ("a", "a b", "a\nb", "é\u200b", "x" * 8, "😀")),
        *(("blank text", text) for text in ("", " ", "\n", "a", None)),
        *(("identifier", text) for text in ("ab", "a" * 64)),
        *(("country", text) for text in ("QA", "*")),
        *(("day", text) for text in ("2026-01-01", "2024-02-29", None)),
        *(("truth", truth) for truth in (True, False)),
        *(("list", texts) for texts in (["a"], ["a", "bb", "ccc"])),
        *(("list of nested", items) for items in ([], [{"id": "ab"}])),
    ],
)
def test_a_field_is_sure_of_what_is_good(name: str, good: Any) -> None:
    assert quickly(FIELDS[name], good) == loaded(FIELDS[name], good) != UNSURE


def test_what_is_printable_holds_nothing_unprintable_and_blank_means_space_for_every_character() -> None:
    assert not [c for c in CHARACTERS if c.isprintable() and field_types._UNPRINTABLE.search(c)]
    assert not [c for c in CHARACTERS if c.isspace() is not (not c.strip())]


class Shout(Text):
    """Overrides what Text's quick way was made for, and offers none of its own."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **options: Any) -> str:
        return super()._deserialize(value, attr, data, **options).upper()


class Careful(Text):
    """Overrides another step of marshmallow's, on which the quick way relies."""

    def _validate(self, value: Any) -> None:
        if value == "a":
            raise ValidationError("No.")


@pytest.mark.parametrize("field", [Shout(8), Careful(8), Text(8, post_load=str.upper), Text(8, pre_load=str.strip)])
def test_a_subclass_or_hook_that_offers_no_quick_way_gets_none(field: fields.Field) -> None:
    assert loading.take_of(field) is None


def test_a_validator_that_is_not_known_is_called() -> None:
    def refuse(value: str) -> None:
        if value == "no":
            raise ValidationError("No.")

    field = Text(8, validate=refuse)

    assert quickly(field, "no") is UNSURE
    assert quickly(field, "yes") == (str, "yes")


def test_what_can_stand_in_a_condition_is_bound_and_never_written() -> None:
    take = loading.take_of(Matching("'\"\\Z|(x)", code="c", form="f"))

    assert isinstance(take, Same)
    assert not re.search(r"\(x\)", take.condition("value", lambda thing: "bound"))
    assert function_of(take)("'\"") == "'\""


def test_a_good_report_and_history_are_loaded_quickly(a_report: Any) -> None:
    for form, good in ((ReportSchema(), a_report()), (HistorySchema(), {"issued_on": "2022-04-11", "source": "s"})):
        quick = loading.load_if_sure(form, good)

        assert quick == form.load(good)
        assert list(quick) == list(form.load(good))


def test_a_report_with_faults_is_read_as_far_as_marshmallow_reads_it(a_report: Any) -> None:
    report = a_report(audited_from="yesterday", more=1)

    parsed = parse_report(report)

    assert {(fault.path, fault.code) for fault in parsed.faults} == {
        ("audited_from", "invalid_date"),
        ("more", "unknown_field"),
    }
    assert parsed.content["findings"] == report["findings"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", 2**53]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters() | st.sampled_from("\ufb33\U0001f600\ue000\ud800é\x7f\x00a")), inner)
    ),
    max_leaves=12,
)


def hashed(content: Any) -> Any:
    return f"sha256:{hashlib.sha256(rfc8785.dumps(content)).hexdigest()}"


def outcome(hashing: Any, content: Any) -> Any:
    try:
        return hashing(content)
    except Exception as error:
        return type(error), str(error)


@given(content=st.dictionaries(st.text(), JSON, max_size=5))
@settings(max_examples=100)
def test_the_hash_is_that_of_the_canonical_form(content: dict[str, Any]) -> None:
    assert outcome(report_hash, content) == outcome(hashed, content)


@pytest.mark.parametrize(
    "content",
    [
        {"a": 2**53 - 1, "b": -(2**53) + 1},
        *({"a": number} for number in (2**53, -(2**53), 2**63, 1.0, -0.0, 1e21, 5e-324, float("nan"))),
        {"\ue000": 1, "\U0001f600": 2, "z": 3},
        {"\ufb33": 1, "\U0010ffff": {"\uffff": 1, "\U00010000": 2}},
        {"a": "\U0001f600", "é": 1, "e": 2},
        {"a": ["\ud800"]},
        {"\udc00": 1},
        {1: 2},
        {"a": (1, 2)},
        {},
    ],
    ids=repr,
)
def test_the_hash_of_what_is_on_the_edge_is_that_of_the_canonical_form(content: dict[Any, Any]) -> None:
    assert outcome(report_hash, content) == outcome(hashed, content)


def test_every_character_is_written_as_the_canonical_form_has_it() -> None:
    for start in range(0, len(CHARACTERS), 65536):
        characters = [c for c in CHARACTERS[start : start + 65536] if not "\ud800" <= c <= "\udfff"]

        assert report_hash({"a": "".join(characters)}) == hashed({"a": "".join(characters)})
        some = dict.fromkeys(characters[::16], 1)
        assert report_hash(some) == hashed(some)


def test_an_ordinary_report_is_not_written_by_the_slow_way(a_report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    report = json.loads(json.dumps(a_report(member_id="qatalum-é")))
    expected = hashed(report)
    monkeypatch.setattr(rfc8785, "dumps", None)

    assert report_hash(report) == expected
