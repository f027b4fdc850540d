"""Reads an audit report from JSON: its form, its bounds, and its hash. What it says is checked in the domain."""

import dataclasses
import hashlib
from typing import Any

import orjson
import rfc8785
from marshmallow import Schema, ValidationError, fields, validate

from assessment.domain.checking import STATEMENTS
from assessment.forms import Bounded, Day, Matching, Text, Truth, country, identifier
from touchstone_chassis.api import ERRORS_MAX, field_errors
from touchstone_contracts.codec import loading
from touchstone_contracts.errors import FieldError, InvalidReport
from touchstone_contracts.plain import is_plain
from touchstone_contracts.values import History

FINDINGS_MAX = 200
COMMENT_LENGTH_MAX = 10_000
_CHOICE_LENGTH_MAX = 64
_DEPTH_MAX = 64
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_BYTES_BELOW_F0 = bytes(range(0xF0))


def _choice(**options: Any) -> Text:
    """A word out of a list that the domain knows; it says so with a code of its own."""
    return Text(_CHOICE_LENGTH_MAX, required=True, **options)


class PlaceForm(Schema):
    id = identifier(required=True)
    name = Text(300, required=True)
    country = country(required=True)


class StandardForm(Schema):
    code = Text(16, required=True)
    version = Text(16, required=True)


class ScopeForm(Schema):
    type = _choice()
    text = Text(5_000, required=True)
    activities = Bounded(_choice(), least=1, most=20, required=True)
    facilities = Bounded(fields.Nested(PlaceForm), most=200, load_default=list)


class MemberForm(Schema):
    auditor_id = identifier(required=True)
    role = _choice()


class MaturityForm(Schema):
    systems = _choice()
    risk = _choice()
    performance = _choice()


StatementsForm = Schema.from_dict({name: fields.Raw(allow_none=True) for name in STATEMENTS}, name="StatementsForm")


class PlanForm(Schema):
    state = _choice()
    due_on = Day(allow_none=True)


class FindingForm(Schema):
    criterion = Text(16, required=True)
    rating = _choice()
    comment = Text(COMMENT_LENGTH_MAX, blank=True, allow_none=True)
    reason = Text(COMMENT_LENGTH_MAX, blank=True, allow_none=True)
    plan = fields.Nested(PlanForm, allow_none=True)


class ProvenanceForm(Schema):
    source = Text(1_000, required=True)
    illustrative = Bounded(Text(200), most=100)


class ReportForm(Schema):
    """The audit report: form and bounds."""

    report_id = Matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
        code="invalid_id",
        form="up to 64 letters, digits, dots, hyphens or underscores",
        required=True,
    )
    body_id = identifier(required=True)
    audit_type = _choice()
    standard = fields.Nested(StandardForm, required=True)
    member_id = identifier(required=True)
    entity = fields.Nested(PlaceForm, required=True)
    scope = fields.Nested(ScopeForm, required=True)
    team = Bounded(fields.Nested(MemberForm), most=50, required=True)
    audited_from = Day(required=True)
    audited_until = Day(required=True)
    maturity = fields.Nested(MaturityForm, required=True)
    statements = fields.Nested(StatementsForm, required=True)
    recommendation = _choice()
    findings = Bounded(fields.Nested(FindingForm), most=FINDINGS_MAX, required=True)
    provenance = fields.Nested(ProvenanceForm, allow_none=True)


class HistoryForm(Schema):
    """What the registrar states of a certificate that was issued before this register kept records."""

    issued_on = Day(required=True)
    number = fields.Integer(strict=True, allow_none=True, load_default=None, validate=validate.Range(1, 10**9))
    certified_since = Day(allow_none=True, load_default=None)
    source = Text(1_000, required=True)
    notify = Truth(load_default=False)


_REPORT = ReportForm()
_HISTORY = HistoryForm()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A report as far as it could be read, and what is wrong with its form."""

    content: dict[str, Any]
    faults: list[FieldError]

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
        return self.faults + [fault for fault in faults if not _speaks_of(fault.path, wrong)]


def read(report: Any) -> Draft:
    """The report as far as it can be read. Takes anything that JSON can hold; raises nothing."""
    return _read(_REPORT, report)


def read_history(history: Any) -> tuple[History | None, list[FieldError]]:
    """The history block, or None and what is wrong with it, with paths that begin with `history`."""
    draft = _read(_HISTORY, history)
    if draft.faults:
        return None, [dataclasses.replace(f, path=f"history.{f.path}".rstrip(".")) for f in draft.faults]
    return History(**draft.content), []


def report_hash(report: dict[str, Any]) -> str:
    """SHA-256 over the report's canonical JSON (RFC 8785); the same for whatever order or spacing it came in."""
    return f"sha256:{hashlib.sha256(_canonical(report)).hexdigest()}"


def _canonical(report: dict[str, Any]) -> bytes:
    """The report as RFC 8785 has it.

    orjson writes texts, whole numbers of 53 bits, true, false and null in the same way. It writes floats in another,
    and orders keys by code points, the RFC by UTF-16 units: another order where a key holds a character beyond U+FFFF.
    """
    if is_plain(report, depth_max=_DEPTH_MAX):
        try:
            written = orjson.dumps(report, option=_SORTED)
        except TypeError:
            return rfc8785.dumps(report)
        if not written.translate(None, _BYTES_BELOW_F0):  # in UTF-8, only such a character has a byte from F0 on
            return written
    return rfc8785.dumps(report)


def invalid(faults: list[FieldError]) -> InvalidReport:
    """The refusal that lists every fault, at most ERRORS_MAX of them."""
    count = "One thing is" if len(faults) == 1 else f"{len(faults)} things are"
    return InvalidReport(f"{count} wrong with the report.", faults[:ERRORS_MAX])


def _read(form: Schema, value: Any) -> Draft:
    try:
        return Draft(content=dict(loading.load(form, value)), faults=[])
    except ValidationError as error:
        content = error.valid_data if isinstance(error.valid_data, dict) else {}
        return Draft(content=content, faults=field_errors(error.normalized_messages()))


def _speaks_of(path: str, wrong: set[str]) -> bool:
    return any(
        path == known or path.startswith((f"{known}.", f"{known}[")) or known.startswith(f"{path}.") for known in wrong
    )
