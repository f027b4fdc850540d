"""What the methods that show published reference data take and answer."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from touchstone_contracts.fields import Code
from touchstone_contracts.moments import Day
from touchstone_contracts.reference import Publication


class GetEdition(Schema):
    """By its `version`; else the one that is effective on a day, today when both are left out."""

    version = fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(1))
    on = Day(load_default=None, allow_none=True)

    @validates_schema
    def check_which(self, data: dict, **_: Any) -> None:
        if data["version"] is not None and data["on"] is not None:
            raise ValidationError("Goes without version.", "on")


class ListEditions(Schema):
    """`after` is the `next` of the page before."""

    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    after = Code(64, load_default=None, allow_none=True)


def line(given: Publication, *, title: str) -> dict[str, Any]:
    """What was published, in short. `published_at` is null of what a database was provisioned with."""
    return {
        "id": given.id,
        "version": given.version,
        "effective_from": given.effective_from.isoformat(),
        "title": title,
        "hash": given.hash,
        "published_by": given.published_by,
        "published_at": given.published_at.isoformat() if given.published_at else None,
    }


def whole(given: Publication, *, title: str) -> dict[str, Any]:
    """With its document; `hash` is over the canonical text of that."""
    return {**line(given, title=title), "document": given.document}
