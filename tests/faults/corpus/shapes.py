"""Makes hypothesis strategies out of the marshmallow schemas of methods and events: valid, nearly valid, and random."""

import copy
from typing import Any

from corpus.samples import ABSURD, PLAUSIBLE, named_samples
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validate

Json = Any
_SOME = 3
"""Lists in valid requests are no longer than what their field demands, and this."""


def valid(schema: Schema) -> st.SearchStrategy[dict[str, Json]]:
    """What the schema loads: plausible, or absurd and yet allowed."""
    members = {name: of_field(field) for name, field in schema.load_fields.items()}
    required = {name: members[name] for name, field in schema.load_fields.items() if field.required}
    optional = {name: members[name] for name in members if name not in required}
    return st.fixed_dictionaries(required, optional=optional).filter(lambda made: not schema.validate(made))


def nearly_valid(schema: Schema) -> st.SearchStrategy[dict[str, Json]]:
    """One change away from what the schema loads."""
    return st.tuples(valid(schema), st.randoms(use_true_random=False), st.sampled_from(ABSURD)).map(
        lambda drawn: mutated(*drawn)
    )


def anything() -> st.SearchStrategy[Json]:
    """Any JSON, made of what has broken other systems."""
    names = st.sampled_from([text for text in ABSURD if isinstance(text, str) and len(text) < 100])
    return st.recursive(
        st.sampled_from(ABSURD),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


def mutated(value: Json, random: Any, absurd: Json) -> Json:
    """A copy with one change at a random place: left out, replaced, doubled, or something added."""
    made = copy.deepcopy(value)
    places = list(_places(made))
    if not places:
        return {"$gt": absurd}
    holder, key = random.choice(places)
    change = random.choice(("leave out", "replace", "replace", "replace", "wrap", "add"))
    if change == "leave out":
        del holder[key]
    elif change == "replace":
        holder[key] = absurd
    elif change == "wrap":
        holder[key] = [holder[key], holder[key]]
    elif isinstance(holder, dict):
        holder[random.choice(("$gt", "a.b", "", "__class__", "\0"))] = absurd
    else:
        holder.append(absurd)
    return made


def _places(value: Json) -> Any:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        yield value, key
        yield from _places(inner)


def of_field(field: fields.Field) -> st.SearchStrategy[Json]:
    """Values that the field takes."""
    made = _of_field(field)
    return st.none() | made if field.allow_none and not isinstance(field, fields.Raw) else made


def _of_field(field: fields.Field) -> st.SearchStrategy[Json]:
    if isinstance(field, fields.Nested):
        return valid(field.schema)
    if isinstance(field, fields.List):
        least = _least(field)
        return st.lists(of_field(field.inner), min_size=least, max_size=least + _SOME, unique_by=repr)
    if isinstance(field, fields.Dict):
        values = of_field(field.value_field) if field.value_field else st.sampled_from(ABSURD)
        return st.dictionaries(_of_field(field.key_field) if field.key_field else st.text(), values, max_size=_SOME)
    if isinstance(field, fields.Enum):
        return st.sampled_from([member.value for member in field.enum])
    return _of_scalar(field)


def _of_scalar(field: fields.Field) -> st.SearchStrategy[Json]:
    by_name = [sample for sample in named_samples(field.name) if takes(field, sample)]
    if isinstance(field, fields.Raw) and by_name:
        return st.sampled_from(by_name)
    words = [word for rule in field.validators if isinstance(rule, validate.OneOf) for word in rule.choices]
    known = [sample for sample in (*words, *PLAUSIBLE, *ABSURD) if takes(field, sample)]
    choices = [st.sampled_from(samples) for samples in (by_name, known) if samples]
    if not choices:
        raise LookupError(f"corpus/samples.py has nothing that {field!r} takes: add a plausible value there")
    return st.one_of(choices)


def takes(field: fields.Field, value: Json) -> bool:
    """Whether the field loads the value. Other errors than marshmallow's are findings, and come through."""
    try:
        field.deserialize(copy.deepcopy(value))
    except ValidationError:
        return False
    return True


def _least(field: fields.List) -> int:
    own = int(getattr(field, "_least", 0))
    limits = [v for v in field.validators if isinstance(v, validate.Length)]
    return max([own, *(limit.min or limit.equal or 0 for limit in limits)])


def drawn(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """`count` examples, the same ones for the same number."""
    found: list[Any] = []

    @seed(number)
    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found
