"""What callers send is read by one set of field types: the same day, time, truth and text, whoever takes it."""

from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import Schema, fields, validate

from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_contracts.fields import Text, Truth
from touchstone_contracts.moments import Day, Moment
from touchstone_devkit.releases import recording

ONE_CLASS: dict[type, type] = {fields.Date: Day, fields.DateTime: Moment, fields.Boolean: Truth}
Place = tuple[str, fields.Field]


def forms() -> Iterator[tuple[str, Schema, bool]]:
    """Each form that a caller fills in: its name, its schema, and whether what it says is kept."""
    for name, service in recording.service_classes():
        for method, entry in recording._entrypoints(service):
            if isinstance(entry, (Method, OnMessage)):
                yield f"{name}.{method}", entry.schema, getattr(entry, "changes", True)
    for name, named in recording.FORMS.items():
        for form, place in named.items():
            yield f"{name}.{form}", recording._form(*place), True


def places(schema: Schema, where: str = "") -> Iterator[Place]:
    for name, field in schema.load_fields.items():
        yield from _within(field, f"{where}({name})")


def _within(field: Any, where: str) -> Iterator[Place]:
    yield where, field
    if isinstance(field, fields.Nested):
        yield from places(field.schema, where)
    for inner in ("inner", "key_field", "value_field"):
        if getattr(field, inner, None) is not None:
            yield from _within(getattr(field, inner), f"{where}[]")


def strange(where: str, field: fields.Field) -> bool:
    """A day, a time or a truth that is read in another way."""
    return any(isinstance(field, kind) and not isinstance(field, ours) for kind, ours in ONE_CLASS.items())


def bare(where: str, field: fields.Field) -> bool:
    """A text of which anything is taken, but for its length."""
    return type(field) is fields.String and all(isinstance(check, validate.Length) for check in field.validators)


FORMS = sorted(forms(), key=lambda form: form[0])
LOOKED_UP = ("(ids)", "(id)", "(keys)", "(kind)", "(filter)", "(after)", "(case_id)", "(notice_id)")
"""Names of what is there already, whoever named it: they are looked up as they are, and kept nowhere."""
JSON_TEXT = ("(body)",)


@pytest.mark.parametrize(("name", "schema"), [form[:2] for form in FORMS], ids=[form[0] for form in FORMS])
def test_a_day_a_time_and_a_truth_are_read_in_one_way(name: str, schema: Schema) -> None:
    assert [where for where, field in places(schema, name) if strange(where, field)] == []


@pytest.mark.parametrize(("name", "schema", "kept"), FORMS, ids=[form[0] for form in FORMS])
def test_no_text_is_kept_that_was_looked_at_for_its_length_alone(name: str, schema: Schema, kept: bool) -> None:
    found = [where for where, field in places(schema, name) if kept and bare(where, field)]

    assert [where for where in found if not any(part in where for part in (*LOOKED_UP, *JSON_TEXT))] == []


class _Loose(Schema):
    day = fields.Date()
    at = fields.List(fields.AwareDateTime())
    sure = fields.Boolean()
    name = fields.String(validate=validate.Length(1, 9))
    notes = fields.Dict(keys=fields.String(), values=Text(9))
    fine = fields.Nested(Schema.from_dict({"day": Day(), "at": Moment(), "sure": Truth(), "name": Text(9)}))


def test_a_field_that_is_read_in_another_way_is_seen() -> None:
    found = list(places(_Loose(), "toy"))

    assert [where for where, field in found if strange(where, field)] == ["toy(day)", "toy(at)[]", "toy(sure)"]
    assert [where for where, field in found if bare(where, field)] == ["toy(name)", "toy(notes)[]"]
