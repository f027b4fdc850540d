"""Parses an audit report from JSON, as far as it can be read: every fault of its form is told, not only the first."""

import dataclasses
from typing import Any

from marshmallow import Schema, ValidationError

from assessment.schemas.report import HistorySchema, ReportSchema
from touchstone_contracts.codec import loading
from touchstone_contracts.errors import FieldError
from touchstone_contracts.field_errors import field_errors, untold
from touchstone_contracts.values import History

_REPORT = ReportSchema()
_HISTORY = HistorySchema()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ParsedReport:
    """A report as far as it could be read, and what is wrong with its form; of `untold` more faults only the number."""

    content: dict[str, Any]
    faults: list[FieldError]
    untold: int = 0

    def text(self, *names: str) -> str | None:
        """A text in the report by its path, or None where it is missing or unreadable."""
        place: Any = self.content
        for name in names:
            place = place.get(name) if isinstance(place, dict) else None
        return place if isinstance(place, str) else None

    def with_content_faults(self, faults: list[FieldError]) -> list[FieldError]:
        """All faults. Where the form is wrong already, nothing more is said about the same place or a part of it."""
        if any(fault.path == "" for fault in self.faults) and not self.content:
            return self.faults
        wrong = {fault.path for fault in self.faults}
        said = wrong | {part for path in wrong for part in _beginnings(path, ".")}
        return self.faults + [
            fault for fault in faults if fault.path not in said and wrong.isdisjoint(_beginnings(fault.path, ".["))
        ]


def parse_report(report: Any) -> ParsedReport:
    """The report as far as it can be read. Takes anything that JSON can hold; raises nothing."""
    return _parsed(_REPORT, report)


def report_id_of(report: Any) -> str | None:
    """The report's id, where it can be read; nothing else is looked at, since the sender may be nobody."""
    given = report.get("report_id") if isinstance(report, dict) else None
    try:
        id: str | None = _REPORT.fields["report_id"].deserialize(given)
    except ValidationError:
        return None
    return id


def parse_history(history: Any) -> tuple[History | None, list[FieldError]]:
    """The history block, or None and what is wrong with it, with paths that begin with `history`."""
    parsed = _parsed(_HISTORY, history)
    if parsed.faults:
        return None, [dataclasses.replace(f, path=f"history.{f.path}".rstrip(".")) for f in parsed.faults]
    return History(**parsed.content), []


def _parsed(schema: Schema, value: Any) -> ParsedReport:
    try:
        return ParsedReport(content=dict(loading.load(schema, value)), faults=[])
    except ValidationError as error:
        content = error.valid_data if isinstance(error.valid_data, dict) else {}
        messages = error.normalized_messages()
        return ParsedReport(content=content, faults=field_errors(messages), untold=untold(messages))


def _beginnings(path: str, ends: str) -> list[str]:
    """What stands in a path before each of the characters `ends`."""
    return [path[:place] for place, character in enumerate(path) if character in ends]
