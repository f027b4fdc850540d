"""The form of a rule set: everything that is wrong with one is said before it decides, each fault by its path."""

import copy
import datetime
from typing import Any

import pytest

from certification.data import rule_sets
from certification.domain.certificates.certificate import Certificate
from certification.domain.rules import facts
from certification.domain.rules.facts import Kind
from touchstone_contracts.reference import CONFIDENCES, published
from touchstone_contracts.values import PlanState

SHIPPED = rule_sets.shipped()[0]


@pytest.fixture
def document() -> Any:
    return SHIPPED.document


def row(document: Any, id: str) -> Any:
    return next(row for row in document["rows"] if row["id"] == id)


def test_rule_set_1_has_the_rows_for_initial_audits_in_their_printed_order(rules: Any) -> None:
    assert [row.id for row in rules.rows] == ["0", "1", "2a", "2", "2b", "5", "5b", "7"]


def test_the_rule_set_that_is_shipped_is_sound_and_names_the_source_and_confidence_of_everything(
    document: Any,
) -> None:
    assert rule_sets.faults(document) == []
    for one in (*document["parameters"].values(), *document["guards"], *document["rows"]):
        assert one["source"] and one["confidence"] in CONFIDENCES


def test_the_rule_set_that_is_shipped_is_never_edited() -> None:
    assert (SHIPPED.key, SHIPPED.hash) == (
        "decision-table/1",
        "sha256:3f04b072e59cca8ce51c203ce222b24d4350533b28b8364001a80b3d39639690",
    )


def test_what_is_gathered_is_the_whole_vocabulary(build: Any) -> None:
    around = build.surroundings()

    gathered = facts.gather(build.audit(), around, member=around.member, today=build.noon.date(), plan_due_days=30)

    assert {*gathered, "report_faults", "lapsed_at_issue"} == set(facts.VOCABULARY) == set(facts.KINDS)


def test_what_is_gathered_is_of_the_kinds_that_rules_are_checked_by(build: Any) -> None:
    held = Certificate(id="certificate-10001", record=build.record(), open=True)
    around = build.surroundings(held=held, beside=held)
    of = {int: Kind.COUNT, str: Kind.TEXT, list: Kind.TEXTS, bool: Kind.TRUTH, datetime.date: Kind.DAY}

    pending = build.audit([build.finding(plan=PlanState.SUBMITTED), build.finding("2.1", build.major, PlanState.NONE)])
    gathered = facts.gather(pending, around, member=around.member, today=build.noon.date(), plan_due_days=30)

    assert {name: of[type(fact.value)] for name, fact in gathered.items()} == {
        name: facts.KINDS[name] for name in gathered
    }


FAULTS = {
    "unknown fact": ("rows[1].when[0].fact", "unknown_choice"),
    "unknown comparison": ("rows[1].when[0].is", "unknown_choice"),
    "unknown parameter": ("rows[2].when[0].value", "unknown_choice"),
    "text where a number is compared": ("rows[1].when[0].value", "wrong_type"),
    "comparison with a day": ("rows[1].when[0].value", "wrong_type"),
    "number that has a fraction": ("parameters.max_majors.value", "wrong_type"),
    "word without meaning": ("rows[2].text", "unknown_choice"),
    "broken word": ("rows[2].text", "invalid_text"),
    "row twice": ("rows[8].id", "doubled"),
    "certificate without validity": ("rows[7].validity", "invalid"),
    "certificate of no length": ("rows[7].validity.years", "out_of_range"),
    "refusal with validity": ("rows[1].validity", "invalid"),
    "no source": ("rows[1].source", "required"),
    "no confidence": ("parameters.max_majors.confidence", "unknown_choice"),
    "no condition": ("rows[1].when", "too_few"),
    "unknown key": ("rows[1].unless", "unknown_field"),
    "unknown audit type": ("rows[1].audit_types", "unknown_choice"),
    "waits for no date": ("rows[6].waits.until", "unknown_choice"),
    "no plan_due_days": ("parameters.plan_due_days.value", "required"),
    "another table": ("id", "unknown_choice"),
    "no first day": ("effective_from", "invalid_date"),
}


def broken(document: Any, fault: str) -> None:
    if fault == "unknown fact":
        row(document, "1")["when"][0]["fact"] = "mood"
    elif fault == "unknown comparison":
        row(document, "1")["when"][0]["is"] = "resembles"
    elif fault == "unknown parameter":
        row(document, "2a")["when"][0]["value"] = {"parameter": "min_majors"}
    elif fault == "text where a number is compared":
        row(document, "1")["when"][0]["value"] = "one"
    elif fault == "comparison with a day":
        row(document, "1")["when"][0] = {"fact": "today", "is": "gt", "value": 1}
    elif fault == "number that has a fraction":
        document["parameters"]["max_majors"]["value"] = 2.5
    elif fault == "word without meaning":
        row(document, "2a")["text"] = "At most $maximum."
    elif fault == "broken word":
        row(document, "2a")["text"] = "Costs $ 5"
    elif fault == "row twice":
        document["rows"].append(copy.deepcopy(row(document, "7")))
    elif fault == "certificate without validity":
        row(document, "7")["validity"] = None
    elif fault == "certificate of no length":
        row(document, "7")["validity"] = {"years": 0}
    elif fault == "refusal with validity":
        row(document, "1")["validity"] = {"years": 3}
    elif fault == "no source":
        del row(document, "1")["source"]
    elif fault == "no confidence":
        document["parameters"]["max_majors"]["confidence"] = "certainly"
    elif fault == "no condition":
        row(document, "1")["when"] = []
    elif fault == "unknown key":
        row(document, "1")["unless"] = []
    elif fault == "unknown audit type":
        row(document, "1")["audit_types"] = ["first"]
    elif fault == "waits for no date":
        row(document, "5b")["waits"]["until"] = "minors"
    elif fault == "no plan_due_days":
        del document["parameters"]["plan_due_days"]
    elif fault == "another table":
        document["id"] = "another-table"
    elif fault == "no first day":
        document["effective_from"] = "next year"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rule_set_that_is_not_sound_is_refused_where_it_is_not(document: Any, fault: str) -> None:
    broken(document, fault)

    assert FAULTS[fault] in [(one.path, one.code) for one in rule_sets.faults(document)]


def test_everything_that_is_wrong_is_said_at_once(document: Any) -> None:
    together = ["no source", "unknown parameter", "row twice", "no plan_due_days", "another table", "no confidence"]
    for fault in together:
        broken(document, fault)

    assert {FAULTS[fault] for fault in together} <= {(one.path, one.code) for one in rule_sets.faults(document)}


@pytest.mark.parametrize("document", [None, 1, "a", [], {}, {"rows": 1, "guards": {}, "parameters": []}])
def test_what_is_no_rule_set_at_all_is_refused(document: Any) -> None:
    assert rule_sets.faults(document)


def test_one_that_this_release_cannot_decide_by_raises_instead_of_deciding_otherwise(document: Any) -> None:
    broken(document, "unknown fact")

    with pytest.raises(ValueError, match=r"decision-table/1 cannot be used by this release.*when\[0\]\.fact"):
        rule_sets.rule_set_of(published(document, by="secretariat-1", at=None))
