"""The standards that come with the service, and which criteria a scope faces."""

import collections
import datetime
import json
import pathlib
from typing import Any

import pytest

from assessment.data.catalogue import PACKAGED, CatalogueError, load_catalogue
from assessment.domain.standards import StandardVersion
from touchstone_contracts.values import AuditType

CATALOGUE = load_catalogue()
MINING = ["BXM"]


def standard(code: str, version: str) -> StandardVersion:
    found = CATALOGUE.find(code, version)
    assert found is not None
    return found


def codes(activities: list[str], version: str) -> set[str]:
    return {criterion.code for criterion in standard("PS", version).applicable(activities)}


@pytest.mark.parametrize(
    ("version", "per_principle"),
    [("2.0", [3, 8, 4, 4, 3, 8, 3, 5, 9, 8, 4]), ("3.0", [3, 10, 4, 4, 4, 8, 2, 7, 9, 8, 3])],
)
def test_the_performance_standard_has_its_criteria_each_once_under_eleven_principles(
    version: str, per_principle: list[int]
) -> None:
    criteria = standard("PS", version).criteria

    assert len({c.code for c in criteria}) == len(criteria) == {"2.0": 59, "3.0": 62}[version]
    counted = collections.Counter(c.principle for c in criteria)
    assert [counted[str(principle)] for principle in range(1, 12)] == per_principle
    assert all(c.code.startswith(f"{c.principle}.") for c in criteria)


def test_what_is_not_known_of_the_chain_of_custody_standard_says_so() -> None:
    written = CATALOGUE.publications["COC", "2.0"].document["standard"]

    sourced = {c["code"] for c in written["criteria"] if c["confidence"] == "sourced"}
    assert sourced == {"7.2", "8"}


def test_criteria_that_every_scope_faces_may_never_be_called_not_applicable() -> None:
    never = {c.code for c in standard("PS", "3.0").criteria if not c.may_be_not_applicable}

    tens, elevens = {f"10.{i}" for i in range(1, 9)}, {f"11.{i}" for i in range(1, 4)}
    assert never == {"1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "3.4", "9.1"} | tens | elevens


def test_a_criterion_for_other_activities_does_not_apply() -> None:
    assert codes(["SML", "CST"], "3.0") >= {"3.3", "5.2", "6.7", "6.8"}
    assert codes(["SML", "CST"], "3.0").isdisjoint({"4.2", "4.4", "6.6", "8.7"})
    assert "8.7" in codes(MINING, "3.0") and "5.2" not in codes(MINING, "3.0")


def test_a_scope_of_an_industrial_user_faces_principle_4_only_on_version_2() -> None:
    assert codes(["MCV", "OMS"], "2.0") == {"4.1", "4.2", "4.3", "4.4"}
    assert len(codes(["SFB", "OMS"], "2.0")) > 50
    assert len(codes(["OMS"], "3.0")) > 50


@pytest.mark.parametrize(
    ("audit_type", "on", "open"),
    [
        (AuditType.INITIAL, "2023-06-01", True),
        (AuditType.INITIAL, "2023-06-02", False),
        (AuditType.RECERTIFICATION, "2023-06-02", False),
        (AuditType.SURVEILLANCE, "2023-06-02", True),
        (AuditType.SURVEILLANCE, "2026-06-01", False),
        (AuditType.INITIAL, "2017-11-30", False),
    ],
)
def test_a_closed_version_takes_no_new_certificates_but_follows_up_those_it_has(
    audit_type: AuditType, on: str, open: bool
) -> None:
    day = datetime.date.fromisoformat(on)

    assert standard("PS", "2.0").is_open(audit_type, day, day) is open


def test_a_version_without_an_end_stays_open() -> None:
    assert standard("PS", "3.0").is_open(AuditType.INITIAL, datetime.date(2022, 5, 19), datetime.date(2040, 1, 1))


def written(**changes: Any) -> dict[str, Any]:
    return json.loads((PACKAGED / "ps-3.0.json").read_text()) | changes


def load_with(folder: pathlib.Path, data: Any) -> Any:
    (folder / "own.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return load_catalogue(str(folder))


def test_a_file_of_the_scheme_owner_corrects_a_standard(tmp_path: pathlib.Path) -> None:
    catalogue = load_with(tmp_path, written(name="Corrected"))

    assert catalogue.find("PS", "3.0").name == "Corrected"
    assert catalogue.find("PS", "2.0").name == "Performance Standard V2"


def test_a_file_of_the_scheme_owner_adds_a_standard(tmp_path: pathlib.Path) -> None:
    catalogue = load_with(tmp_path, written(version="4.0"))

    assert {key for key in catalogue.versions} == {*CATALOGUE.versions, ("PS", "4.0")}


SOURCED = {"value": 1, "confidence": "sourced", "source": None}


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "[]",
        "\x00",
        written(unheard_of=1),
        written(criteria=written()["criteria"][:-1]),
        written(criteria=[*written()["criteria"][:-1], written()["criteria"][0]]),
        written(criteria=[*written()["criteria"][:-1], written()["criteria"][-1] | {"principle": "9"}]),
        written(criteria=[*written()["criteria"][:-1], written()["criteria"][-1] | {"restricted_to": ["XXX"]}]),
        written(criteria=[*written()["criteria"][:-1], written()["criteria"][-1] | {"confidence": "certain"}]),
        written(plan_due_months=SOURCED),
        written(plan_due_months={"value": 1, "confidence": "sourced", "source": "nowhere"}),
        written(plan_due_months={"value": "1", "confidence": "recalled", "source": None}),
        written(plan_due_days={"value": 30, "confidence": "recalled", "source": None}),
        {name: value for name, value in written().items() if name != "plan_due_months"},
        written(acceptance={"value": "anybody", "confidence": "recalled", "source": None}),
        written(certifiable_from={"value": "2022-02-30", "confidence": "recalled", "source": None}),
        written(new_certificates_until={"value": "2000-01-01", "confidence": "recalled", "source": None}),
        written(
            narrow_scopes=[{"only_activities": ["OMS"], "principles": ["12"], "confidence": "recalled", "source": None}]
        ),
    ],
    ids=range(18),
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: pathlib.Path, data: Any) -> None:
    with pytest.raises(CatalogueError, match=r"own\.json"):
        load_with(tmp_path, data)


def test_a_folder_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CatalogueError, match="is no folder"):
        load_catalogue(str(tmp_path / "absent"))
