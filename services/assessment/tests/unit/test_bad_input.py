"""Whatever JSON comes in, it becomes an audit or a refusal that lists faults, and nothing else."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assessment.schemas.report_parsing import ParsedReport, parse_report, report_id_of
from touchstone_contracts.errors import FieldError, Refusal
from touchstone_contracts.field_errors import ERRORS_MAX
from touchstone_testing.examples import examples

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
WORDS = st.sampled_from(
    ["id", "code", "message", "_schema", "0", "report", "findings", "plan", "due_on", "2026-02-31", "PS", "3.0", "1.1"]
)
ANYTHING = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS | st.text(max_size=10), inner, max_size=5),
    max_leaves=12,
)


def paths(value: Any, so_far: tuple = ()) -> list[tuple]:
    """Every place in a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [so_far, *(path for key, child in children for path in paths(child, (*so_far, key)))]


@st.composite
def spoilt(draw: st.DrawFn, report: dict[str, Any]) -> Any:
    """A report in which some places hold something else, are gone, or have a neighbour that nobody expects."""
    value: Any = {"root": copy.deepcopy(report)}
    for _ in range(draw(st.integers(1, 4))):
        path = ("root", *draw(st.sampled_from(paths(value["root"]))))
        place = value
        for step in path[:-1]:
            place = place[step]
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "replace" or path == ("root",):
            place[path[-1]] = draw(ANYTHING)
        elif how == "remove":
            del place[path[-1]]
        elif isinstance(place, dict):
            place[draw(WORDS | st.text(max_size=10))] = draw(ANYTHING)
        else:
            place.append(draw(ANYTHING))
    return value["root"]


def outcome(office: Any, report: Any) -> list[FieldError]:
    """The faults for which the report was refused; none when it became an audit. Anything else that is raised fails."""
    before = len(office.events())
    try:
        answer = office.submit(report)
    except Refusal as refusal:
        assert refusal.code in ("invalid_report", "already_exists", "illegal_transition")
        assert len(office.events()) == before
        json.dumps(refusal.as_dict()).encode()
        assert refusal.errors or refusal.code != "invalid_report"
        assert all(len(error.path) < 400 and error.code and error.message for error in refusal.errors)
        return list(refusal.errors)
    assert answer["state"].value == "submitted"
    return []


@pytest.fixture
def tolerant(office: Any) -> Any:
    """The office of one test; its audits pile up, which does no harm."""
    return office


FUZZ = settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(report=ANYTHING)
def test_random_json_is_refused_with_its_faults(tolerant: Any, report: Any) -> None:
    assert outcome(tolerant, report)


@FUZZ
@given(data=st.data())
def test_a_spoilt_report_is_an_audit_or_a_list_of_faults(tolerant: Any, a_report: Any, data: st.DataObject) -> None:
    report = data.draw(spoilt(a_report()))

    outcome(tolerant, report)


@FUZZ
@given(history=ANYTHING)
def test_a_spoilt_history_is_a_list_of_faults(tolerant: Any, a_report: Any, history: Any) -> None:
    with pytest.raises(Refusal) as refused:
        tolerant.call("import_audit_report", tolerant.registrar, report=a_report(), history=history)

    assert refused.value.code == "invalid_report"
    assert all(error.path.startswith("history") for error in refused.value.errors)


@pytest.mark.parametrize(
    "report",
    [
        {"findings": [{}] * 100_000},
        {f"key-{i}": i for i in range(20_000)},
        {"scope": {"activities": ["SML"] * 10_000}},
        {"report_id": "x" * 1_000_000},
        {"provenance": json.loads("[" * 500 + "]" * 500)},
        {"statements": dict.fromkeys(["information_true"], json.loads("[" * 500 + "]" * 500))},
    ],
    ids=["findings", "keys", "activities", "text", "depth", "depth where anything is read"],
)
def test_what_is_far_too_large_is_refused_in_a_short_answer(office: Any, report: Any) -> None:
    faults = outcome(office, report)

    assert 0 < len(faults) <= ERRORS_MAX
    assert sum(len(fault.message) + len(fault.path) for fault in faults) < 100_000


@pytest.mark.parametrize("report", [None, [], {}, *({"report_id": id} for id in ("R-1", "", "r d", 7, None, ["R-1"]))])
def test_the_id_of_a_report_is_read_by_itself_as_it_is_with_all_else(report: Any) -> None:
    assert report_id_of(report) == parse_report(report).text("report_id")


PATHS = st.lists(st.sampled_from(["a", "b", "[1]", ".", ".a"]), max_size=4).map("".join)


@given(form=st.lists(PATHS, max_size=4), content=st.lists(PATHS, max_size=4))
def test_of_a_place_whose_form_is_wrong_nothing_more_is_said(form: list[str], content: list[str]) -> None:
    parsed = ParsedReport(content={"read": 1}, faults=[FieldError(path, "form", "") for path in form])

    told = parsed.with_content_faults([FieldError(path, "content", "") for path in content])

    def is_said(path: str) -> bool:
        return any(
            path == wrong or path.startswith((f"{wrong}.", f"{wrong}[")) or wrong.startswith(f"{path}.")
            for wrong in form
        )

    assert [fault.path for fault in told] == form + [path for path in content if not is_said(path)]
