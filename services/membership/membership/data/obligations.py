"""The form of the obligations, everything that can be wrong with them, and how their document becomes rules."""

import json
import pathlib
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from membership.data.reference import member_classes
from membership.domain.organisations.obligations import OBLIGATIONS, ClassRule, Obligations
from touchstone_contracts.errors import FieldError
from touchstone_contracts.field_errors import field_errors
from touchstone_contracts.fields import NAME_LENGTH_MAX, REASON_LENGTH_MAX, Bounded, Text, Truth
from touchstone_contracts.moments import Day
from touchstone_contracts.reference import Publication, Sourced, published

SHIPPED_BY = "release"
_FOLDER = pathlib.Path(__file__).parent


class _Class(Sourced):
    must_be_certified = Truth(required=True)
    certification_due_years = fields.Integer(
        required=True, strict=True, allow_none=True, validate=validate.Range(1, 100)
    )

    @validates_schema
    def check_period(self, data: dict[str, Any], **_: Any) -> None:
        if data["must_be_certified"] != (data["certification_due_years"] is not None):
            raise ValidationError("Who must be certified has a period, and nobody else.", "certification_due_years")


class _NotApplied(Sourced):
    rule = Text(REASON_LENGTH_MAX, required=True)


class ObligationsForm(Schema):
    """The form of the obligations' document: what each class of membership obliges to."""

    kind = fields.String(required=True, validate=validate.OneOf([OBLIGATIONS]))
    id = fields.String(required=True, validate=validate.OneOf([OBLIGATIONS]))
    version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 1_000_000))
    effective_from = Day(required=True)
    title = Text(NAME_LENGTH_MAX, required=True)
    source = Text(1_000, required=True)
    not_applied = Bounded(fields.Nested(_NotApplied), most=50, required=True)
    classes = fields.Nested(
        Schema.from_dict({code: fields.Nested(_Class, required=True) for code in member_classes()}, name="Classes"),
        required=True,
    )


_FORM = ObligationsForm()


def shipped() -> list[Publication]:
    """The obligations that come with this release, for a database that holds none. See ADR 31."""
    documents = (json.loads(path.read_text("utf-8")) for path in sorted(_FOLDER.glob("obligations-*.json")))
    return [published(document, by=SHIPPED_BY, at=None) for document in documents]


def faults(document: Any) -> list[FieldError]:
    """Everything that is wrong with the document, by path; nothing where memberships can rest on it."""
    try:
        _FORM.load(document)
        return []
    except ValidationError as error:
        return field_errors(error.normalized_messages())


def obligations_of(publication: Publication) -> Obligations:
    """What was published. Raises ValueError where a newer release published what this one cannot use."""
    if wrong := faults(publication.document):
        said = " ".join(f"{one.path}: {one.message}" for one in wrong)
        raise ValueError(f"{publication.key} cannot be used by this release. {said}")
    return Obligations(
        version=publication.version,
        hash=publication.hash,
        rules={
            code: ClassRule(
                code=code,
                must_be_certified=row["must_be_certified"],
                certification_due_years=row["certification_due_years"],
            )
            for code, row in publication.document["classes"].items()
        },
    )
