"""Field types for what comes from outside: one rule for everybody, and what they do quickly is what they do slowly."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields

from touchstone_contracts.codec import loading
from touchstone_contracts.codec.loading import UNSURE
from touchstone_contracts.codec.source import Same, function_of
from touchstone_contracts.field_errors import field_errors
from touchstone_contracts.fields import Bounded, Code, Country, Matching, Text, Truth, identifier
from touchstone_contracts.moments import Day, Moment
from touchstone_testing.examples import examples

FIELDS = {
    "text": Text(8),
    "blank text": Text(8, blank=True, allow_none=True),
    "lines": Text(8, lines=True),
    "code": Code(8),
    "identifier": identifier(),
    "country": Country(or_everywhere=True),
    "day": Day(allow_none=True),
    "moment": Moment(),
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
    | st.text("ab-1*QA \t\r\n\x85\xa0\x00\x1f\x7f\ud800\u200b\u200d\u2028\u202e\u3164e\u0301\u0323é", max_size=10)
    | st.dates().map(str)
    | st.datetimes(timezones=st.timezones() | st.none()).map(lambda moment: moment.isoformat())
    | st.from_regex(r"[0-9]{4}-?[0-9W]{2}-?[0-9]{1,2}\n?", fullmatch=True)
    | st.sampled_from(
        ["2026-02-29", "2026-W10-4", "٢٠٢٦-01-01", "ab", "a" * 64, "a" * 65, "QA", "UK", "*", b"a", ("a",)]
    ),
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
@settings(max_examples=examples(200))
def test_a_field_that_is_sure_has_loaded_what_it_loads(name: str, value: Any) -> None:
    field = FIELDS[name]

    quick = quickly(field, value)

    assert quick is UNSURE or repr(quick) == repr(loaded(field, value))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        *(("text", text) for text in ("a", "a b", "é", "é\u200b", "x" * 8, "😀", "\u0915\u094d\u200d\u0937")),
        *(("blank text", text) for text in ("", "a", None)),
        *(("lines", text) for text in ("a", "a\nb", "é\n\nb")),
        *(("code", text) for text in ("PS", " certify", "5.2")),
        *(("identifier", text) for text in ("ab", "a" * 64)),
        *(("country", text) for text in ("QA", "*")),
        *(("day", text) for text in ("2026-01-01", "2024-02-29", None)),
        *(("moment", text) for text in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456+01:00")),
        *(("truth", truth) for truth in (True, False)),
        *(("list", texts) for texts in (["a"], ["a", "bb", "ccc"])),
        *(("list of nested", items) for items in ([], [{"id": "ab"}])),
    ],
)
def test_a_field_is_sure_of_what_is_good(name: str, good: Any) -> None:
    assert quickly(FIELDS[name], good) == loaded(FIELDS[name], good) != UNSURE


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("text", 7, "wrong_type"),
        ("text", b"ab", "wrong_type"),
        ("text", "x" * 9, "too_long"),
        ("text", "\ufb2c" * 8, "too_long"),  # three times as long when composed
        ("text", "\u202e" * 9, "too_long"),
        ("text", "", "blank"),
        ("text", " \t", "blank"),
        ("text", "\u200b\u3164", "blank"),
        ("text", "a\nb", "invalid_text"),
        ("text", "a\u2028b", "invalid_text"),
        ("text", "a\u0085b", "invalid_text"),
        ("text", "a\u009bb", "invalid_text"),
        ("text", "a\u202eb", "invalid_text"),
        ("text", "a\tb", "invalid_text"),
        ("text", "a\ud83d", "invalid_text"),
        ("lines", "a\rb", "invalid_text"),
        ("blank text", "a\nb", "invalid_text"),
        ("code", "", "blank"),
        ("code", "x" * 9, "too_long"),
        ("code", 1, "wrong_type"),
        ("code", "P\nS", "invalid_text"),
        ("code", "P\u200bS", "invalid_text"),
        ("identifier", "", "blank"),
        ("identifier", " ab", "invalid_id"),
        ("identifier", "a", "invalid_id"),
        ("identifier", "ab\n", "invalid_id"),
        ("identifier", "a" * 65, "too_long"),
        *(
            ("country", code, "invalid_country")
            for code in ("UK", "EU", "XK", "SU", "AA", "ZZ", "qa", "QAT", "", "QA ")
        ),
        ("country", 1, "wrong_type"),
        *(
            ("day", day, "invalid_date")
            for day in ("2026-W10-1", "20260305", "2026-3-5", "2026-02-29", "٢٠٢٦-01-01", "2026-03-05T00:00:00Z", "")
        ),
        ("day", 20260305, "wrong_type"),
        *(
            ("moment", moment, "invalid_moment")
            for moment in (
                *(
                    "2026-W10-1T10:00:00Z",
                    "20260305T100000Z",
                    "2026-03-05 10:00:00Z",
                    "2026-03-05T10:00Z",
                    "2026-03-05",
                ),
                *("2026-03-05T10:00:00", "2026-03-05T10:00:00+0100", "2026-03-05T10:00:00,5Z", "2026-03-05T24:00:00Z"),
                *("2026-03-05T10:00:00+24:00", "9999-12-31T23:59:59-14:00", "2026-03-05", "yesterday"),
            )
        ),
        ("moment", 0, "wrong_type"),
        ("truth", 1, "wrong_type"),
        ("truth", "yes", "wrong_type"),
    ],
)
def test_what_is_wrong_has_one_code_wherever_it_is_sent(name: str, value: Any, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FIELDS[name].deserialize(value)

    assert [fault.code for fault in field_errors(refused.value.messages)] == [code]
    assert quickly(FIELDS[name], value) is UNSURE


@pytest.mark.parametrize(
    ("name", "value", "loaded_as"),
    [
        ("text", "  a b\n", "a b"),
        ("text", "e\u0301", "\u00e9"),
        ("lines", "\r\na\r\nb ", "a\nb"),
        ("blank text", "\u200b \n", ""),
        ("blank text", " a", "a"),
    ],
)
def test_a_text_is_loaded_in_the_form_in_which_it_is_kept(name: str, value: str, loaded_as: str) -> None:
    assert quickly(FIELDS[name], value) == loaded(FIELDS[name], value) == (str, loaded_as)


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
