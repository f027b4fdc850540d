"""What the report's form and its hash do quickly is what they do slowly."""

import hashlib
import json
import sys
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.schemas.report import HistorySchema, ReportSchema
from assessment.schemas.report_hash import report_hash
from assessment.schemas.report_parsing import parse_report
from touchstone_contracts.codec import loading
from touchstone_testing.examples import examples

CHARACTERS = [chr(point) for point in range(sys.maxunicode + 1)]


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
@settings(max_examples=examples(100))
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
