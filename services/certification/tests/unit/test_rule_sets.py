"""A rule set that is not sound is refused when it is read, not when a case meets it."""

import copy
import json
import pathlib
from typing import Any

import pytest
from marshmallow import ValidationError

import certification
from certification.data import rule_sets
from certification.domain.rules import facts

FOLDER = pathlib.Path(certification.__file__).parent / "data"
SHIPPED = sorted(FOLDER.glob("rule-set-*.json"))


@pytest.fixture
def document() -> Any:
    return json.loads((FOLDER / "rule-set-1.json").read_text())


def row(document: Any, id: str) -> Any:
    return next(row for row in document["rows"] if row["id"] == id)


def test_rule_set_1_has_the_rows_for_initial_audits_in_their_printed_order(document: Any) -> None:
    assert [row.id for row in rule_sets.parse(document).rows] == ["0", "1", "2a", "2", "2b", "5", "5b", "7"]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_rule_set_is_sound_and_names_the_source_and_confidence_of_everything(file: pathlib.Path) -> None:
    document = json.loads(file.read_text())

    assert file.name == f"rule-set-{rule_sets.parse(document).number}.json"
    for one in (*document["parameters"].values(), *document["guards"], *document["rows"]):
        assert one["source"] and one["confidence"] in rule_sets.CONFIDENCES


def test_what_is_gathered_is_the_whole_vocabulary(build: Any) -> None:
    around = build.surroundings()

    gathered = facts.gather(build.audit(), around, member=around.member, today=build.noon.date(), plan_due_days=30)

    assert {*gathered, "report_faults", "lapsed_at_issue"} == set(facts.VOCABULARY)


def broken(document: Any, fault: str) -> None:
    if fault == "unknown fact":
        row(document, "1")["when"][0]["fact"] = "mood"
    elif fault == "unknown comparison":
        row(document, "1")["when"][0]["is"] = "resembles"
    elif fault == "unknown parameter":
        row(document, "2a")["when"][0]["value"] = {"parameter": "min_majors"}
    elif fault == "word without meaning":
        row(document, "2a")["text"] = "At most $maximum."
    elif fault == "broken word":
        row(document, "2a")["text"] = "Costs $ 5"
    elif fault == "row twice":
        document["rows"].append(copy.deepcopy(row(document, "7")))
    elif fault == "certificate without validity":
        row(document, "7")["validity"] = None
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


@pytest.mark.parametrize(
    "fault",
    [
        "unknown fact",
        "unknown comparison",
        "unknown parameter",
        "word without meaning",
        "broken word",
        "row twice",
        "certificate without validity",
        "refusal with validity",
        "no source",
        "no confidence",
        "no condition",
        "unknown key",
        "unknown audit type",
        "waits for no date",
        "no plan_due_days",
    ],
)
def test_a_rule_set_that_is_not_sound_is_refused(document: Any, fault: str) -> None:
    broken(document, fault)

    with pytest.raises(ValidationError):
        rule_sets.parse(document)


def test_a_rule_set_that_does_not_exist_is_not_taken_for_one() -> None:
    assert rule_sets.exists(1) and not rule_sets.exists(999)
