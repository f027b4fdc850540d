"""Reading audit reports from files."""

import json
import pathlib
from typing import Any

import pytest

from touchstone.cases.submission import ReportUnreadable, read

REPORT = {"report_id": "R-1", "body_id": "dnv", "findings": [{"criterion": "1.1", "rating": "conformance"}]}
HISTORY = {"issued_on": "2022-04-11", "number": 195}


def written(folder: pathlib.Path, content: Any, name: str = "report.json", **layout: Any) -> pathlib.Path:
    path = folder / name
    path.write_text(json.dumps(content, **layout), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "content",
    [{"report": REPORT, "history": HISTORY, "published": {}}, {**REPORT, "history": HISTORY}],
)
def test_a_report_stands_alone_or_in_a_block_with_its_history_beside_it(tmp_path: pathlib.Path, content: Any):
    found = read(written(tmp_path, content))

    assert found.report == REPORT
    assert found.history == HISTORY


def test_history_may_come_from_a_file_of_its_own(tmp_path: pathlib.Path):
    found = read(written(tmp_path, REPORT), written(tmp_path, HISTORY, "history.json"))

    assert found.history == HISTORY


def test_the_key_comes_from_the_content_and_not_from_the_files_name_or_layout(tmp_path: pathlib.Path):
    first = read(written(tmp_path, REPORT))
    again = read(written(tmp_path, dict(reversed(REPORT.items())), "copy.json", indent=4))
    other = read(written(tmp_path, {**REPORT, "report_id": "R-2"}, "other.json"))

    assert first.idempotency_key() == again.idempotency_key()
    assert first.idempotency_key() != other.idempotency_key()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"report": 1}', '{"report": {}, "history": []}', "[" * 100_000]
)
def test_what_is_no_report_is_refused_with_the_files_name(tmp_path: pathlib.Path, content: str):
    path = tmp_path / "broken.json"
    path.write_text(content)

    with pytest.raises(ReportUnreadable, match=r"broken\.json"):
        read(path)


def test_a_key_that_stands_twice_is_named(tmp_path: pathlib.Path):
    path = tmp_path / "broken.json"
    path.write_text('{"report": {"findings": [{"rating": "good", "rating": "bad"}]}}')

    with pytest.raises(ReportUnreadable, match=r"broken\.json.*: report\.findings\[0\]\.rating"):
        read(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: pathlib.Path):
    path = tmp_path / "broken.json"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ReportUnreadable):
        read(path)


def test_a_missing_file_is_named(tmp_path: pathlib.Path):
    with pytest.raises(ReportUnreadable, match=r"none\.json"):
        read(tmp_path / "none.json")
