"""The form in which each service says where an unfinished case stands with it, and what it waits for."""

import dataclasses
import datetime
from typing import Any

from marshmallow import Schema, fields, validate


class ListUnfinished(Schema):
    """`case` asks for one case only (its audit's id); `after` is the `next` of the page before."""

    case = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 200))
    limit = fields.Integer(load_default=100, strict=True, validate=validate.Range(1, 200))
    after = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 300))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """`waits_for` goes on from "waits for"; `who` must act, nobody (None) where it ends by itself, `until` a day then.

    `case` is the audit's id, or None for what goes back to none (the end of an old certificate).
    """

    case: str | None
    certificate_number: int | None = None
    state: str
    since: datetime.datetime
    waits_for: str
    who: str | None
    until: datetime.date | datetime.datetime | None = None
    reasons: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"reasons": list(self.reasons)}
