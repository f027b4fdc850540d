"""Rule sets are published as versions: when that is refused, by which one a case is decided, and what is kept of it."""

import copy
import datetime
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification.data import rule_sets
from certification.domain.cases.verdict import weigh
from certification.domain.rules.facts import KINDS, VOCABULARY, Kind
from certification.domain.rules.rule_set import DECISION_TABLE, OPERATORS
from certification.storage.cases import case_document, case_of
from certification.storage.rule_sets import RuleSets, publish_shipped
from touchstone_contracts.errors import AlreadyExists, InvalidRequest, NotFound
from touchstone_contracts.publication_calls import GetEdition
from touchstone_contracts.reference import canonical, hash_of, published
from touchstone_contracts.values import History, PlanState
from touchstone_testing.examples import examples

NEW_YEAR, EVE = datetime.date(2027, 1, 1), datetime.date(2026, 12, 31)
SHIPPED = rule_sets.shipped()[0]


def next_one(**changed: Any) -> Any:
    """Rule set 2: a full certificate lasts a year, from New Year on."""
    document = SHIPPED.document | {"version": 2, "effective_from": NEW_YEAR.isoformat()} | changed
    document["parameters"] = copy.deepcopy(document["parameters"])
    document["parameters"]["full_years"]["value"] = 1
    return document


@pytest.fixture
def office(office: Any) -> Any:
    """An office in which rule set 1 alone was published, as in one that decided by it before there was another."""
    office.database["rule_sets"].delete_one({"_id": "decision-table/2"})
    return office


@pytest.fixture
def publish(office: Any) -> Callable[..., Any]:
    return lambda document: office.call("publish_rule_set", {"document": document})


def mandate_for_both(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.sign_mandate(mandate_id="mandate-2", rule_set=2)


def kept_of(office: Any, case_id: str = "body.r-1") -> Any:
    return office.case(case_id)["decision"]["rule_set"]


def test_a_published_rule_set_is_kept_announced_whole_and_shown_as_it_was_handed_in(office: Any, publish: Any) -> None:
    answer = publish(next_one())

    (event,) = office.events("RuleSetPublished")
    shown = office.call("get_rule_set", {"version": 2})
    assert json.loads(event.content) == shown["document"] == next_one()
    assert event.hash == shown["hash"] == answer["hash"] == hash_of(canonical(next_one()))
    assert (event.publication_id, event.effective_from) == ("decision-table/2", NEW_YEAR)
    assert (answer["published_by"], answer["published_at"]) == ("secretariat-1", office.clock.now().isoformat())


def test_the_same_rule_set_again_changes_nothing_whoever_sends_it_and_in_whatever_order(
    office: Any, publish: Any
) -> None:
    first = publish(next_one())
    office.clock.time = datetime.datetime(2028, 1, 1, tzinfo=datetime.UTC)

    again = publish(dict(reversed(list(next_one().items()))))

    assert again == first
    assert len(office.events("RuleSetPublished")) == 1


def test_a_version_that_is_there_with_another_content_is_refused_and_every_difference_named(
    office: Any, publish: Any
) -> None:
    publish(next_one())
    other = next_one(title="Another")
    del other["rows"][7]["validity"]["years"]["parameter"]
    other["rows"][7]["validity"] = {"years": 2}

    with pytest.raises(AlreadyExists) as refused:
        publish(other)

    assert [(one.path, one.code) for one in refused.value.errors] == [
        ("document.rows[7].validity.years", "differs"),
        ("document.title", "differs"),
    ]
    assert refused.value.errors[1].message == (
        "Published is Decisions on initial certification audits, given is Another."
    )
    assert office.call("get_rule_set", {"version": 2})["document"] == next_one()


def test_the_shipped_rule_set_cannot_be_published_otherwise(publish: Any) -> None:
    with pytest.raises(AlreadyExists):
        publish(SHIPPED.document | {"title": "Another"})


@pytest.mark.parametrize(
    ("day", "fault"), [("2026-11-21", True), ("2026-11-22", True), ("2026-11-23", False), ("2031-01-01", False)]
)
def test_a_rule_set_is_effective_from_a_day_that_is_still_to_come(
    office: Any, publish: Any, day: str, fault: bool
) -> None:
    try:
        publish(next_one(effective_from=day))
        found = []
    except InvalidRequest as refusal:
        found = [(one.path, one.code) for one in refusal.errors]

    assert found == ([("document.effective_from", "too_early")] if fault else [])


@pytest.mark.parametrize(("at", "taken"), [("22:59:59", True), ("23:00:00", True), ("23:00:01", False)])
def test_a_rule_set_is_published_an_hour_before_its_first_day_or_earlier(
    office: Any, publish: Any, at: str, taken: bool
) -> None:
    office.clock.time = datetime.datetime.fromisoformat(f"{EVE}T{at}+00:00")

    if taken:
        assert publish(next_one())["version"] == 2
    else:
        with pytest.raises(InvalidRequest):
            publish(next_one())


def test_everything_that_is_wrong_with_a_publication_is_said_at_once(publish: Any) -> None:
    document = next_one(version=4, effective_from="2026-01-01", title=" ")
    del document["rows"][0]["source"]

    with pytest.raises(InvalidRequest, match="4 things are wrong with the rule set") as refused:
        publish(document)

    assert {(one.path, one.code) for one in refused.value.errors} == {
        ("document.rows[0].source", "required"),
        ("document.title", "blank"),
        ("document.version", "out_of_order"),
        ("document.effective_from", "too_early"),
    }


def test_what_is_no_document_is_refused(publish: Any) -> None:
    for document in (None, 5, [], "rule-set-2.json"):
        with pytest.raises(InvalidRequest):
            publish(document)


@pytest.mark.parametrize(("day", "version", "years"), [(EVE, 1, 3), (NEW_YEAR, 2, 1)])
def test_a_case_is_decided_by_the_rule_set_of_its_day_and_keeps_version_and_hash(
    office: Any, build: Any, publish: Any, day: datetime.date, version: int, years: int
) -> None:
    second = publish(next_one())["hash"]
    mandate_for_both(office, build)
    office.go_to(day)

    office.deliver(build.accepted())

    hash = second if version == 2 else SHIPPED.hash
    assert kept_of(office) == {"id": "decision-table", "version": version, "hash": hash}
    assert (office.case()["rule_set"], office.case()["rule_set_hash"]) == (version, hash)
    (certificate,) = office.certificates()
    assert certificate["rule_set"] == version
    assert certificate["expires_on"] == (day.replace(year=day.year + years) - datetime.timedelta(days=1)).isoformat()


def test_imported_history_is_decided_by_the_rule_set_of_its_own_day(office: Any, build: Any, publish: Any) -> None:
    publish(next_one())
    office.deliver(build.recorded())
    office.go_to(datetime.date(2027, 6, 1))
    past = History(issued_on=datetime.date(2026, 12, 1), number=195, source="published")

    office.deliver(build.accepted(history=past, audited_until=datetime.date(2026, 10, 16)))

    assert kept_of(office)["version"] == 1


def test_a_decision_stays_as_it_was_when_another_rule_set_begins(office: Any, build: Any, publish: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.deliver(build.accepted())
    before = office.case()

    publish(next_one())
    office.go_to(NEW_YEAR)
    office.run_due()

    assert office.case() == before


def test_a_case_that_waits_is_looked_at_by_the_new_rules_when_their_day_begins(
    office: Any, build: Any, publish: Any
) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    office.run_due()
    publish(next_one())
    office.sign_mandate(rule_set=2)
    office.run_due()
    before = office.case()["state"], office.case()["rule_set"]

    office.go_to(EVE)
    eve = office.case()["state"]
    office.go_to(NEW_YEAR)

    assert (before, eve) == (("awaiting_decision", 1), "awaiting_decision")
    assert (office.case()["state"], kept_of(office)["version"]) == ("decided", 2)


def test_new_rules_that_say_the_same_of_a_held_case_are_noted_and_nobody_is_told_again(
    office: Any, build: Any, publish: Any
) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted([build.finding(plan=PlanState.SUBMITTED, due_on=datetime.date(2027, 3, 1))]))
    office.run_due()
    publish(next_one())

    office.go_to(NEW_YEAR)

    assert (office.case()["state"], office.case()["rule_set"]) == ("held", 2)
    assert len(office.events("CertificationHeld")) == 1


def test_a_mandate_is_signed_for_a_rule_set_that_was_published(office: Any, publish: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        office.sign_mandate(rule_set=2)
    publish(next_one())

    assert [(one.path, one.code) for one in refused.value.errors] == [("rule_set", "unknown_choice")]
    assert office.sign_mandate(rule_set=2)["rule_set"] == 2


def test_a_case_of_a_day_before_the_first_rule_set_is_held_and_decided_by_nobody(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    past = History(issued_on=datetime.date(2009, 12, 31), number=195, source="published")
    long_ago = {"standard_open_from": datetime.date(2000, 1, 1), "audited_until": datetime.date(2009, 10, 16)}

    office.deliver(build.accepted(history=past, **long_ago))

    case = office.case()
    assert (case["state"], [one["code"] for one in case["reasons"]]) == ("held", ["no_rule_set"])
    assert (case["rule_set"], case["rule_set_hash"], case["decision"]) == (None, None, None)
    (line,) = office.call("list_unfinished", {})["items"]
    assert (line["who"], line["waits_for"]) == (
        "Secretariat",
        "a rule set that is effective on the day of its decision",
    )


def test_a_case_that_came_before_anything_was_published_is_decided_the_day_after(ready: Any, build: Any) -> None:
    ready.database["rule_sets"].delete_many({})
    ready.deliver(build.accepted())
    before = [one["code"] for one in ready.case()["reasons"]]

    publish_shipped(ready.database)
    ready.go_to(datetime.date(2026, 11, 23))

    assert before == ["no_rule_set"]
    assert (ready.case()["state"], kept_of(ready)["version"]) == ("decided", 1)


def test_a_case_that_0_1_stored_is_read_and_decided(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    office.run_due()
    (stored,) = office.documents("cases")
    del stored["evaluation"]["rule_set_id"], stored["evaluation"]["rule_set_hash"]
    office.database["cases"].replace_one({"_id": stored["_id"]}, stored)

    before = office.case()
    office.sign_mandate()
    office.run_due()

    assert (before["rule_set"], before["rule_set_id"], before["rule_set_hash"]) == (1, None, None)
    assert case_document(case_of(stored))["evaluation"] == stored["evaluation"] | {
        "rule_set_id": None,
        "rule_set_hash": None,
    }
    assert kept_of(office)["hash"] == SHIPPED.hash


def test_what_is_shipped_is_there_once_however_often_it_is_published(office: Any, publish: Any) -> None:
    publish(next_one())
    before = office.documents("rule_sets")

    publish_shipped(office.database)

    assert office.documents("rule_sets") == before
    assert [one["version"] for one in office.call("list_rule_sets", {})["items"]] == [1, 2]


@pytest.mark.parametrize(
    ("asked", "version"), [({}, 1), ({"version": 2}, 2), ({"on": "2026-12-31"}, 1), ({"on": "2027-01-01"}, 2)]
)
def test_a_rule_set_is_asked_for_by_version_or_by_day(office: Any, publish: Any, asked: Any, version: int) -> None:
    publish(next_one())

    assert office.call("get_rule_set", asked)["version"] == version


def test_a_rule_set_that_is_not_there_is_not_found(office: Any) -> None:
    for asked in ({"version": 9}, {"on": "2009-12-31"}):
        with pytest.raises(NotFound):
            office.call("get_rule_set", asked)


def test_a_version_and_a_day_are_not_asked_for_together() -> None:
    assert GetEdition().validate({"version": 1, "on": "2027-01-01"}) == {"on": ["Goes without version."]}


def test_rule_sets_are_listed_page_by_page(office: Any, publish: Any) -> None:
    publish(next_one())
    publish(next_one(version=3))

    first = office.call("list_rule_sets", {"limit": 2})
    second = office.call("list_rule_sets", {"limit": 2, "after": first["next"]})

    assert [one["version"] for one in (*first["items"], *second["items"])] == [1, 2, 3]
    assert second["next"] is None


def test_two_who_publish_the_same_version_at_once_are_told_apart(office: Any) -> None:
    units = [office.begin() for _ in range(2)]
    for (service, _), document in zip(units, (next_one(), next_one(title="Another")), strict=True):
        service.rule_set_publishing.publish(document, by="secretariat-1", now=office.clock.now())
    (_, first), (late, second) = units
    office.commit(first)

    with pytest.raises(AlreadyExists):
        office.commit(
            second,
            again=lambda: late.rule_set_publishing.publish(
                next_one(title="Another"), by="secretariat-1", now=office.clock.now()
            ),
        )

    assert RuleSets(office.begin()[1]).get(DECISION_TABLE, 2).hash == hash_of(canonical(next_one()))


EXPECTED = st.one_of(
    st.integers(-2, 5),
    st.booleans(),
    st.sampled_from(["active", "none", "3"]),
    st.sampled_from([[], [1, 2], ["SML", "CST"], None, 0.5]),
    st.sampled_from([{"parameter": name} for name in ("max_majors", "upstream_activities", "nothing")]),
)
COMPARED = st.tuples(st.sampled_from(sorted(VOCABULARY)), st.sampled_from(sorted(OPERATORS)), EXPECTED)


@settings(max_examples=examples(400), deadline=None)
@given(compared=COMPARED, years=EXPECTED)
def test_what_passes_the_check_decides_every_case_without_an_error(
    build: Any, compared: tuple[str, str, Any], years: Any
) -> None:
    document = SHIPPED.document
    test = dict(zip(("fact", "is", "value"), compared, strict=True))
    document["rows"][1]["when"] = document["guards"][-1]["fault_when"] = [test]
    document["rows"][7]["validity"] = {"years": years if rule_sets.faults(document) == [] else 3}

    if rule_sets.faults(document):
        return
    rules = rule_sets.rule_set_of(published(document, by="secretariat-1", at=None))

    for findings in ([], [build.finding()], [build.finding("2.1", build.major, PlanState.SUBMITTED)]):
        assert weigh(build.audit(findings), build.surroundings(), rules, today=build.noon.date())


FITTING = {Kind.COUNT: 0, Kind.TEXT: "x", Kind.TRUTH: False, Kind.TEXTS: ["SML"], Kind.DAY: 1}
PLACES = {"a guard on the report": ("guards", 0), "a row": ("rows", 1), "a guard on issuing": ("guards", -1)}


@pytest.mark.parametrize("fact", VOCABULARY)
@pytest.mark.parametrize("place", PLACES)
def test_a_fact_is_named_where_it_is_known_and_nowhere_else(build: Any, place: str, fact: str) -> None:
    kind, index = PLACES[place]
    unknown = {"a guard on the report": {"report_faults", "lapsed_at_issue"}, "a row": {"lapsed_at_issue"}}
    document = SHIPPED.document
    rule = document[kind][index]
    asked = {"fact": fact, "is": "intersects" if fact == "activities" else "eq", "value": FITTING[KINDS[fact]]}
    if KINDS[fact] is not Kind.DAY:
        rule["fault_when" if kind == "guards" else "when"] = [asked]
    rule["text"] = f"${fact}"

    found = {one.path.rpartition(".")[2] for one in rule_sets.faults(document)}

    assert found == (set() if fact not in unknown.get(place, ()) else {"fact", "text"})
    if not found:
        rules = rule_sets.rule_set_of(published(document, by="secretariat-1", at=None))
        for findings in ([], [build.finding()], [build.finding("2.1", build.major, PlanState.SUBMITTED)]):
            assert weigh(build.audit(findings), build.surroundings(), rules, today=build.noon.date())


def test_comparisons_that_pass_the_check_are_many(build: Any) -> None:
    """Without this, the test above would pass for a check that lets nothing through."""
    document = SHIPPED.document
    document |= {"guards": document["guards"][:1], "rows": document["rows"][:2]}
    values = [1, True, "active", [1], ["SML"]]
    sound = 0
    for fact, comparison, value in itertools.product(VOCABULARY, OPERATORS, values):
        document["rows"][1]["when"] = [{"fact": fact, "is": comparison, "value": value}]
        sound += not rule_sets.faults(document)

    counts = sum(kind is Kind.COUNT for kind in KINDS.values())
    texts = sum(kind is Kind.TEXT for kind in KINDS.values())
    truths = sum(kind is Kind.TRUTH for kind in KINDS.values())
    truths -= 1  # no row knows yet whether the certificate would have lapsed
    assert sound == counts * (6 + 4) + texts * (2 + 4) + truths * 2 + 2
