"""Each kind of change that breaks a neighbour of the release before is refused, and every other is let be."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_devkit.releases import comparing
from touchstone_devkit.releases.comparing import (
    answer_problems,
    delivery_problems,
    event_problems,
    request_problems,
)

Edit = Callable[[dict[str, Any]], object]
PLACE = {"kind": "Nested", "required": True, "fields": {"id": {"kind": "String", "required": True}}}
EVENT = {
    "subject": "lot_id",
    "personal": False,
    "published": True,
    "attributes": {
        "lot_id": {"kind": "String", "required": True},
        "mass_kg": {"kind": "Integer", "required": True, "strict": True},
        "grade": {"kind": "Enum", "choices": ["a", "b"], "required": True},
        "remark": {"kind": "String", "null": True, "default": None},
        "place": PLACE,
        "stops": {"kind": "List", "default": [], "items": PLACE},
        "shares": {"kind": "Dict", "default": {}, "keys": {"kind": "String"}, "values": {"kind": "Decimal"}},
    },
}
NEW_ATTRIBUTE = {"kind": "String", "default": ""}


def attributes(record: dict[str, Any]) -> Any:
    return record["attributes"]


def edited(original: Any, edit: Edit) -> Any:
    changed = json.loads(json.dumps(original))  # a deep copy would keep together what two attributes share
    edit(changed)
    return changed


BREAKS_AN_EVENT: list[tuple[str, Edit, str]] = [
    ("an attribute removed", lambda e: attributes(e).pop("mass_kg"), "v1.mass_kg is gone"),
    ("an optional one removed", lambda e: attributes(e).pop("remark"), "v1.remark is gone"),
    (
        "a new one that is required",
        lambda e: attributes(e).update(tare={"kind": "Integer", "required": True}),
        "v1.tare is new and has no default: what the release before wrote cannot be read",
    ),
    (
        "another type",
        lambda e: attributes(e)["mass_kg"].update(kind="String"),
        "v1.mass_kg: kind was 'Integer' and is 'String'",
    ),
    (
        "another choice, which the old one cannot read",
        lambda e: attributes(e)["grade"]["choices"].append("c"),
        "v1.grade: choices was ['a', 'b'] and is ['a', 'b', 'c']",
    ),
    (
        "a choice less, which the old one still writes",
        lambda e: attributes(e)["grade"]["choices"].remove("b"),
        "v1.grade: choices was ['a', 'b'] and is ['a']",
    ),
    (
        "null where none was",
        lambda e: attributes(e)["lot_id"].update(null=True),
        "v1.lot_id: null was None and is True",
    ),
    (
        "no null where one was",
        lambda e: attributes(e)["remark"].pop("null"),
        "v1.remark: null was True and is None",
    ),
    (
        "another default",
        lambda e: attributes(e)["remark"].update(default="none"),
        "v1.remark: default was None and is 'none'",
    ),
    ("another subject", lambda e: e.update(subject="mass_kg"), "v1: its subject was 'lot_id' and is 'mass_kg'"),
    ("personal now", lambda e: e.update(personal=True), "v1: its personal was False and is True"),
    ("deep down: removed", lambda e: attributes(e)["place"]["fields"].pop("id"), "v1.place.id is gone"),
    (
        "deep down: required",
        lambda e: attributes(e)["place"]["fields"].update(zip={"kind": "String", "required": True}),
        "v1.place.zip is new and has no default: what the release before wrote cannot be read",
    ),
    ("in a list", lambda e: attributes(e)["stops"]["items"]["fields"].pop("id"), "v1.stops[items].id is gone"),
    (
        "in a map",
        lambda e: attributes(e)["shares"]["values"].update(kind="Integer"),
        "v1.shares[values]: kind was 'Decimal' and is 'Integer'",
    ),
]


@pytest.mark.parametrize(
    ("edit", "problem"), [case[1:] for case in BREAKS_AN_EVENT], ids=[c[0] for c in BREAKS_AN_EVENT]
)
def test_a_change_of_an_event_that_a_neighbour_cannot_read_is_refused(edit: Edit, problem: str) -> None:
    assert event_problems({"v1": EVENT}, {"v1": edited(EVENT, edit)}) == [problem]


@pytest.mark.parametrize(
    "edit",
    [
        lambda e: None,
        lambda e: attributes(e).update(colour=NEW_ATTRIBUTE),
        lambda e: attributes(e)["place"]["fields"].update(colour=NEW_ATTRIBUTE),
        lambda e: attributes(e)["stops"]["items"]["fields"].update(colour=NEW_ATTRIBUTE),
        lambda e: e.update(published=False),
        lambda e: e.update(example={"data": {}}),
    ],
    ids=["none", "a new attribute with a default", "deep down", "in a list", "not published any more", "an example"],
)
def test_a_change_of_an_event_that_every_neighbour_reads_is_let_be(edit: Edit) -> None:
    assert event_problems({"v1": EVENT}, {"v1": edited(EVENT, edit), "v2": EVENT}) == []


def test_a_type_goes_only_after_a_release_that_does_not_publish_it() -> None:
    unpublished = EVENT | {"published": False}

    assert event_problems({"v1": EVENT}, {}) == ["v1 is gone, and the release before publishes it"]
    assert event_problems({"v1": unpublished}, {}) == []


def a_state(published: list[str], consumed: list[str] | None, known: list[str] | None = None) -> dict[str, Any]:
    """`published` of the `known` versions of lot_weighed; a yard that consumes it in some, or not at all."""
    events = {f"scales.lot_weighed.{v}": {"published": v in published} for v in known or published}
    consumes = [] if consumed is None else [[f"scales.lot_weighed.{v}" for v in consumed]]
    return {"events": events, "services": {"yard": {"consumes": consumes}}}


STEPS = [
    a_state(["v1"], ["v1"]),
    a_state(["v2", "v1"], ["v2", "v1"]),
    a_state(["v2"], ["v2", "v1"], known=["v1", "v2"]),
    a_state(["v2"], ["v2"]),
]


@pytest.mark.parametrize("step", [0, 1, 2])
def test_the_steps_from_one_version_to_the_next_each_work_beside_the_one_before(step: int) -> None:
    assert delivery_problems(STEPS[step], STEPS[step + 1]) == []
    assert delivery_problems(STEPS[step + 1], STEPS[step]) == []


def test_a_producer_that_drops_the_old_version_too_early_is_refused() -> None:
    assert delivery_problems(STEPS[0], STEPS[2]) == [
        "with consumers of the release before: yard takes scales.lot_weighed.v1, and none of it is published"
    ]


def test_a_consumer_that_drops_the_old_version_too_early_is_refused() -> None:
    assert delivery_problems(STEPS[0], a_state(["v2", "v1"], ["v2"])) == [
        "with producers of the release before: yard takes scales.lot_weighed.v2, and none of it is published"
    ]


def test_an_event_that_is_published_no_more_is_refused_while_the_release_before_waits_for_it() -> None:
    assert delivery_problems(STEPS[0], a_state([], None)) == [
        "with consumers of the release before: yard takes scales.lot_weighed.v1, and none of it is published"
    ]


def test_a_new_event_and_its_first_consumer_are_let_be() -> None:
    assert delivery_problems(a_state([], None), STEPS[0]) == []


METHOD = {
    "changes": False,
    "roles": ["secretariat"],
    "arguments": {
        "id": {"kind": "String", "required": True, "length": [1, 20], "pattern": "[a-z]+"},
        "count": {"kind": "Integer", "default": 5, "range": [1, 9], "strict": True},
        "state": {"kind": "Enum", "choices": ["open", "closed"], "null": True, "default": None},
        "names": {"kind": "List", "items": {"kind": "String", "length": [1, 9]}, "checks": ["toy.once"]},
        "text": {"kind": "String", "form": "toy.Text", "own": {"longest": 100}},
        "place": PLACE,
    },
}


def services(method: dict[str, Any]) -> dict[str, Any]:
    return {"yard": {"methods": {"get": method}, "messages": {}, "forms": {}}}


REFUSES_A_REQUEST: list[tuple[str, Edit, str]] = [
    ("an argument removed", lambda m: m["arguments"].pop("count"), "yard.get(count) is gone"),
    (
        "a new one that is required",
        lambda m: m["arguments"].update(why={"kind": "String", "required": True}),
        "yard.get(why) is new and required",
    ),
    ("required now", lambda m: m["arguments"]["count"].update(required=True), "yard.get(count) is required now"),
    ("another type", lambda m: m["arguments"]["id"].update(kind="UUID"), "yard.get(id) was a String and is a UUID"),
    ("no null", lambda m: m["arguments"]["state"].pop("null"), "yard.get(state) may not be null any more"),
    (
        "a choice less",
        lambda m: m["arguments"]["state"].update(choices=["open"]),
        "yard.get(state) does not take closed any more",
    ),
    (
        "choices where all was free",
        lambda m: m["arguments"]["names"]["items"].update(choices=["x"]),
        "yard.get(names)[items] does not take everything any more",
    ),
    (
        "longer",
        lambda m: m["arguments"]["id"].update(length=[2, 20]),
        "yard.get(id): length began at 1 and begins at 2",
    ),
    ("shorter", lambda m: m["arguments"]["id"].update(length=[1, 9]), "yard.get(id): length ended at 20 and ends at 9"),
    ("less", lambda m: m["arguments"]["count"].update(range=[1, 5]), "yard.get(count): range ended at 9 and ends at 5"),
    ("another pattern", lambda m: m["arguments"]["id"].update(pattern="[a-f]+"), "yard.get(id) has another pattern"),
    (
        "one more check",
        lambda m: m["arguments"]["names"]["checks"].append("toy.sorted"),
        "yard.get(names) is checked by toy.sorted",
    ),
    (
        "a class of ours",
        lambda m: m["arguments"]["id"].update(form="toy.Slug"),
        "yard.get(id) is read by another class, toy.Slug",
    ),
    (
        "a bound of ours",
        lambda m: m["arguments"]["text"].update(own={"longest": 50}),
        "yard.get(text): longest was 100 and is 50",
    ),
    (
        "deep down",
        lambda m: m["arguments"]["place"]["fields"].update(zip={"kind": "String", "required": True}),
        "yard.get(place)(zip) is new and required",
    ),
    ("a role less", lambda m: m.update(roles=["member"]), "yard.get is closed to secretariat"),
    ("a command now", lambda m: m.update(changes=True), "yard.get now needs an idempotency key"),
]


@pytest.mark.parametrize(
    ("edit", "problem"), [case[1:] for case in REFUSES_A_REQUEST], ids=[c[0] for c in REFUSES_A_REQUEST]
)
def test_a_method_that_takes_less_than_before_is_refused(edit: Edit, problem: str) -> None:
    assert request_problems(services(METHOD), services(edited(METHOD, edit))) == [problem]


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: None,
        lambda m: m["arguments"].update(colour=NEW_ATTRIBUTE),
        lambda m: m["arguments"]["id"].pop("required"),
        lambda m: m["arguments"]["id"].pop("pattern"),
        lambda m: m["arguments"]["id"].update(length=[1, 40], null=True),
        lambda m: m["arguments"]["state"]["choices"].append("lost"),
        lambda m: m["arguments"]["count"].update(range=[0, None]),
        lambda m: m["arguments"]["names"].pop("checks"),
        lambda m: m["arguments"]["text"].update(own={"longest": 200}),
        lambda m: m["arguments"]["text"].pop("form") and m["arguments"]["text"].pop("own"),
        lambda m: m["roles"].append("member"),
        lambda m: m.update(roles=["public"]),
    ],
)
def test_a_method_that_takes_more_than_before_is_let_be(edit: Edit) -> None:
    assert request_problems(services(METHOD), services(edited(METHOD, edit))) == []


@pytest.mark.parametrize(("now", "is_the_same"), [("new.fields.Text", True), ("new.fields.Line", False)])
def test_a_field_class_and_a_check_are_known_again_where_they_moved_to(
    monkeypatch: pytest.MonkeyPatch, now: str, is_the_same: bool
) -> None:
    monkeypatch.setattr(comparing, "MOVED", {"toy.Text": "new.fields.Text", "toy.once": "new.fields.once"})
    moved = edited(METHOD, lambda m: m["arguments"]["text"].update(form=now))
    moved["arguments"]["names"]["checks"] = ["new.fields.once"]

    problems = request_problems(services(METHOD), services(moved))

    assert problems == ([] if is_the_same else [f"yard.get(text) is read by another class, {now}"])


@pytest.mark.parametrize(
    ("now", "problems"),
    [
        ({"form": "new.Text", "own": {"longest": 100, "lines": False}}, []),
        ({"form": "new.Text", "own": {"longest": 99}}, ["yard.get(text): longest was 100 and is 99"]),
        ({"form": "other.Text"}, ["yard.get(text) is read by another class, other.Text"]),
    ],
)
def test_of_a_class_that_takes_less_on_purpose_the_limits_are_compared_all_the_same(
    monkeypatch: pytest.MonkeyPatch, now: dict[str, Any], problems: list[str]
) -> None:
    monkeypatch.setattr(comparing, "STRICTER", ("new.",))

    stricter = edited(METHOD, lambda m: m["arguments"].update(text={"kind": "String", **now}))

    assert request_problems(services(METHOD), services(stricter)) == problems


def test_of_a_class_in_place_of_marshmallows_checks_the_limits_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparing, "STRICTER", ("new.",))
    own = {"kind": "String", "form": "new.Matching", "own": {"longest": 19, "pattern": "[a-f]+"}}

    stricter = edited(METHOD, lambda m: m["arguments"].update(id=own))

    assert request_problems(services(METHOD), services(stricter)) == [
        "yard.get(id): longest was 20 and is 19",
        "yard.get(id): pattern was '[a-z]+' and is '[a-f]+'",
    ]


def test_a_method_a_message_a_form_and_a_service_that_are_gone_are_seen() -> None:
    before = {"yard": {"methods": {"get": METHOD}, "messages": {"yard.in": METHOD}, "forms": {"lot": METHOD}}}
    gone = ["yard.get is gone", "yard.yard.in is gone", "yard.lot is gone"]

    assert request_problems(before, {"yard": {"methods": {}, "messages": {}, "forms": {}}}) == gone
    assert request_problems(before, {}) == gone


def test_an_answer_that_says_less_is_seen_and_one_that_says_more_is_let_be() -> None:
    before = {"yard": {"answers": {"line": ["id", "mass"], "page": ["items"]}}}

    assert answer_problems(before, {"yard": {"answers": {"line": ["id", "mass", "more"], "page": ["items"]}}}) == []
    assert answer_problems(before, {"yard": {"answers": {"line": ["id"]}}}) == [
        "yard: line leaves out mass",
        "yard: page made a part of an answer and is gone",
    ]
