"""The form of a standard, everything that can be wrong with one, and the catalogue of those that are effective.

A standard version is one JSON file. Those that come with the service stand in `standards/`; a folder of the scheme
owner's may hold more, and corrections: a file there replaces the one for the same code and version. Both are read when
a database is provisioned, and by no service: what is published later comes by a command.
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from dateutil.relativedelta import relativedelta
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from assessment.domain.standards import Acceptance, Criterion, NarrowScope, StandardVersion
from touchstone_contracts.errors import FieldError, NotFound
from touchstone_contracts.field_errors import field_errors
from touchstone_contracts.fields import NAME_LENGTH_MAX, Bounded, Code, Matching, Text, Truth
from touchstone_contracts.moments import Day
from touchstone_contracts.reference import Publication, published

PACKAGED = pathlib.Path(__file__).parent / "standards"
CONFIDENCES = ("sourced", "recalled", "uncertain")
SHIPPED_BY, SHIPPED_FROM = "release", "2010-01-01"
"""Who published what a database is provisioned with, and from which day on: one before the first audit there is."""


ID_PATTERN = r"[A-Z]{2,8}-[0-9]{1,3}(\.[0-9]{1,3}){1,2}\Z"


class CatalogueError(ValueError):
    """A standard cannot be used; the message names it and says everything that is wrong."""


class _Claim(Schema):
    """What a data file states, with how sure that is and where it comes from."""

    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))
    source = Text(64, required=True, allow_none=True)
    note = Text(1_000)

    @validates_schema
    def _a_source_for_what_is_sourced(self, data: dict[str, Any], **_: Any) -> None:
        if data["confidence"] == "sourced" and data["source"] is None:
            raise ValidationError("Names no source, so it cannot be 'sourced'.", "source")


def _rule(value: fields.Field, *, required: bool = True) -> fields.Nested:
    """A rule value with its confidence and source."""
    return fields.Nested(_Claim.from_dict({"value": value}, name="Rule"), required=required)


class _NarrowScopeForm(_Claim):
    only_activities = Bounded(Code(16), least=1, most=50, required=True)
    principles = Bounded(Code(16), least=1, most=50, required=True)


class _CriterionForm(_Claim):
    code = Code(16, required=True)
    title = Text(NAME_LENGTH_MAX, blank=True, required=True)
    principle = Code(16, required=True)
    restricted_to = Bounded(Code(16), least=1, most=50, required=True, allow_none=True)
    may_be_not_applicable = Truth(required=True)


class StandardFile(Schema):
    """One standard version's data file. Every key is needed, of the two `plan_due_...` one; one that is not known here
    is an error."""

    schema_version = fields.Integer(required=True, strict=True, validate=validate.Equal(1))
    code = fields.String(required=True, validate=validate.Regexp(r"[A-Z]{2,8}\Z"))
    version = fields.String(required=True, validate=validate.Regexp(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}\Z"))
    name = Text(200, required=True)
    notes = Bounded(Text(1_000), most=50, required=True)
    sources = fields.Dict(keys=Text(64), values=Text(1_000), required=True)
    adopted_on = _rule(Day(required=True))
    certifiable_from = _rule(Day(required=True))
    new_certificates_until = _rule(Day(required=True, allow_none=True))
    existing_certificates_until = _rule(Day(required=True, allow_none=True))
    acceptance = _rule(fields.Enum(Acceptance, by_value=True, required=True))
    plan_due_months = _rule(fields.Integer(required=True, strict=True, validate=validate.Range(1, 120)), required=False)
    plan_due_days = _rule(fields.Integer(required=True, strict=True, validate=validate.Range(1, 3650)), required=False)
    report_due_days = _rule(fields.Integer(required=True, strict=True, validate=validate.Range(1, 3650)))
    activities = _rule(Bounded(Code(16), least=1, most=50, required=True))
    narrow_scopes = Bounded(fields.Nested(_NarrowScopeForm), most=50, required=True)
    criteria_total = _rule(fields.Integer(required=True, strict=True, allow_none=True))
    criteria = Bounded(fields.Nested(_CriterionForm), least=1, most=1_000, required=True)

    @validates_schema
    def _criteria_agree(self, data: dict[str, Any], **_: Any) -> None:
        codes = [criterion["code"] for criterion in data["criteria"]]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValidationError(f"Stand there twice: {', '.join(twice)}.", "criteria")
        total = data["criteria_total"]["value"]
        if total is not None and len(codes) != total:
            raise ValidationError(f"There are {len(codes)}, and criteria_total says {total}.", "criteria")
        astray = [c["code"] for c in data["criteria"] if c["code"].split(".")[0] != c["principle"]]
        if astray:
            raise ValidationError(f"Not of the principle that they name: {', '.join(astray)}.", "criteria")

    @validates_schema
    def _activities_are_known(self, data: dict[str, Any], **_: Any) -> None:
        named = {a for c in data["criteria"] for a in c["restricted_to"] or ()}
        named |= {a for narrow in data["narrow_scopes"] for a in narrow["only_activities"]}
        if unknown := sorted(named - set(data["activities"]["value"])):
            raise ValidationError(f"Lacks what is named further down: {', '.join(unknown)}.", "activities")

    @validates_schema
    def _principles_are_known(self, data: dict[str, Any], **_: Any) -> None:
        known = {criterion["principle"] for criterion in data["criteria"]}
        named = {p for narrow in data["narrow_scopes"] for p in narrow["principles"]}
        if unknown := sorted(named - known):
            raise ValidationError(f"No criterion is of principle {', '.join(unknown)}.", "narrow_scopes")

    @validates_schema
    def _sources_are_named(self, data: dict[str, Any], **_: Any) -> None:
        values = [value for name, value in data.items() if name != "sources" and isinstance(value, dict)]
        claims = [*data["criteria"], *data["narrow_scopes"], *values]
        used = {claim["source"] for claim in claims if claim["source"] is not None}
        if unknown := sorted(used - data["sources"].keys()):
            raise ValidationError(f"Without an address: {', '.join(unknown)}.", "sources")

    @validates_schema
    def _plans_are_due_in_months_or_in_days(self, data: dict[str, Any], **_: Any) -> None:
        if len(data.keys() & {"plan_due_months", "plan_due_days"}) != 1:
            raise ValidationError("Either this or plan_due_days is needed, and not both.", "plan_due_months")

    @validates_schema
    def _days_are_in_order(self, data: dict[str, Any], **_: Any) -> None:
        names = ("adopted_on", "certifiable_from", "new_certificates_until", "existing_certificates_until")
        days = [data[name]["value"] for name in names if data[name]["value"] is not None]
        if days != sorted(days):
            raise ValidationError(f"The days must come in this order: {', '.join(names)}.", "certifiable_from")

    @post_load
    def _build(self, data: dict[str, Any], **_: Any) -> StandardVersion:
        return StandardVersion(
            code=data["code"],
            version=data["version"],
            name=data["name"],
            certifiable_from=data["certifiable_from"]["value"],
            new_certificates_until=data["new_certificates_until"]["value"],
            existing_certificates_until=data["existing_certificates_until"]["value"],
            acceptance=data["acceptance"]["value"],
            plan_due_after=_plan_due_after(data),
            report_due_days=data["report_due_days"]["value"],
            activities=frozenset(data["activities"]["value"]),
            narrow_scopes=tuple(_narrow_scope(narrow) for narrow in data["narrow_scopes"]),
            criteria=tuple(_criterion(criterion) for criterion in data["criteria"]),
        )


class StandardForm(Schema):
    """The form of a standard as it is published. `version` counts what is published of one version of the standard."""

    kind = fields.String(required=True, validate=validate.OneOf(["standard"]))
    id = Matching(ID_PATTERN, longest=32, code="invalid_id", form="code and version, as PS-3.0", required=True)
    version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 1_000_000))
    effective_from = Day(required=True)
    standard = fields.Nested(StandardFile, required=True)

    @validates_schema
    def _id_is_that_of_the_standard(self, data: dict[str, Any], **_: Any) -> None:
        if data["id"] != reference_id(data["standard"].code, data["standard"].version):
            raise ValidationError("Is not code and version of the standard below.", "id")


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """The standard versions that are known, by code and version, and what is published of each."""

    versions: Mapping[tuple[str, str], StandardVersion]
    publications: Mapping[tuple[str, str], Publication]

    def find(self, code: str | None, version: str | None) -> StandardVersion | None:
        return self.versions.get((code or "", version or ""))

    def get(self, code: str, version: str) -> StandardVersion:
        """Raises NotFound for a version that is not known."""
        if (standard := self.find(code, version)) is None:
            raise NotFound(f"There is no standard {code} {version}.")
        return standard

    @functools.cached_property
    def codes(self) -> frozenset[str]:
        return frozenset(code for code, _ in self.versions)

    @functools.cached_property
    def activities(self) -> frozenset[str]:
        return frozenset(activity for standard in self.versions.values() for activity in standard.activities)


def reference_id(code: str, version: str) -> str:
    """The id under which a version of a standard is published: `PS-3.0`."""
    return f"{code}-{version}"


def faults(document: Any) -> list[FieldError]:
    """Everything that is wrong with a standard's document, by path; nothing where reports can be held against it."""
    try:
        _FORM.load(document)
        return []
    except ValidationError as error:
        return field_errors(error.normalized_messages())


def catalogue_of(publications: Iterable[Publication]) -> Catalogue:
    """The catalogue of what is effective. Raises CatalogueError for what this release cannot use."""
    versions: dict[tuple[str, str], StandardVersion] = {}
    kept: dict[tuple[str, str], Publication] = {}
    for publication in publications:
        standard = standard_of(publication)
        versions[standard.code, standard.version] = standard
        kept[standard.code, standard.version] = publication
    return Catalogue(versions, kept)


def standard_of(publication: Publication) -> StandardVersion:
    """The standard that was published. Raises CatalogueError where a newer release published what this cannot use."""
    try:
        standard: StandardVersion = _FORM.load(publication.document)["standard"]
    except ValidationError as error:
        problem = error.normalized_messages()
        raise CatalogueError(f"{publication.key} cannot be used by this release: {problem}") from error
    return dataclasses.replace(standard, hash=publication.hash)


def shipped(own_folder: str | None = None) -> list[Publication]:
    """What a database is provisioned with: what comes with the service, and what is in `own_folder` beside or instead.

    Raises CatalogueError for a folder that is not there and for a file that cannot be used.
    """
    folders = [PACKAGED, *([pathlib.Path(own_folder)] if own_folder else [])]
    found: dict[str, Publication] = {}
    for folder in folders:
        if not folder.is_dir():
            raise CatalogueError(f"{folder} is no folder.")
        for path in sorted(folder.glob("*.json")):
            publication = _read(path)
            found[publication.id] = publication
    return list(found.values())


def load_catalogue(own_folder: str | None = None) -> Catalogue:
    """The catalogue of `shipped`."""
    return catalogue_of(shipped(own_folder))


def _read(path: pathlib.Path) -> Publication:
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        standard: StandardVersion = StandardFile().load(written)
    except (OSError, ValueError, ValidationError) as error:
        problem = error.normalized_messages() if isinstance(error, ValidationError) else error
        raise CatalogueError(f"{path} cannot be used: {problem}") from error
    id = reference_id(standard.code, standard.version)
    first = {"kind": "standard", "id": id, "version": 1, "effective_from": SHIPPED_FROM, "standard": written}
    return published(first, by=SHIPPED_BY, at=None)


_FORM = StandardForm()


def _plan_due_after(data: Mapping[str, Any]) -> relativedelta:
    if "plan_due_days" in data:
        return relativedelta(days=data["plan_due_days"]["value"])
    return relativedelta(months=data["plan_due_months"]["value"])


def _narrow_scope(data: Mapping[str, Any]) -> NarrowScope:
    return NarrowScope(only_activities=frozenset(data["only_activities"]), principles=frozenset(data["principles"]))


def _criterion(data: Mapping[str, Any]) -> Criterion:
    restricted_to = data["restricted_to"]
    return Criterion(
        code=data["code"],
        title=data["title"],
        principle=data["principle"],
        restricted_to=None if restricted_to is None else frozenset(restricted_to),
        may_be_not_applicable=data["may_be_not_applicable"],
    )
