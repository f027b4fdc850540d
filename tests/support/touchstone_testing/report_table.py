"""Reads `tests/tables/assessment-report-checks.csv`: what is handed in, and what is right.

`input` changes a clean initial report on PS 3.0, `name=value; name=value`: `audited=FIRST..LAST`, `today`, `version`,
`activities` (its criteria follow), `scope_type`, `facilities` (ids, or none), `entity`, `entity_country`,
`facility_country`, `maturity` (every dimension), any text of the report's head, and `CRITERION=RATING [PLAN [DUE]]`.
`expected` is `taken`, or path and code of each fault. `source` is `judgement` or `design` where no published rule
settles it. What the register says is in RECORDS.
"""

import copy
import csv
import dataclasses
import datetime
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from touchstone_contracts.events.membership import EntityRecorded, FacilityRecorded, OrganisationRecorded

TABLE = Path(__file__).parents[2] / "tables/assessment-report-checks.csv"
RATINGS = {"major": "major_nonconformity", "minor": "minor_nonconformity", "critical": "critical_breach"}
TAKEN = "taken"
ACTIVITIES = ("SML", "CST")


def _organisation(member_id: str) -> OrganisationRecorded:
    known = {"legal_name": f"{member_id.capitalize()} (example)", "member_class": "PT", "country": "QA"}
    return OrganisationRecorded(
        member_id=member_id, state="active", effective_on=datetime.date(2018, 6, 1), joined_on=None, **known
    )


def _entity(entity_id: str, member_id: str, activities: Iterable[str]) -> EntityRecorded:
    return EntityRecorded(
        entity_id=entity_id, member_id=member_id, name=entity_id, country="QA", activities=list(activities)
    )


def _facility(facility_id: str, entity_id: str, member_id: str, activities: Iterable[str]) -> FacilityRecorded:
    return FacilityRecorded(
        facility_id=facility_id,
        entity_id=entity_id,
        member_id=member_id,
        name=facility_id,
        country="QA",
        activities=list(activities),
    )


RECORDS = (
    _organisation("qatalum"),
    _entity("qatalum-mesaieed", "qatalum", ["SML", "CST"]),
    _facility("qatalum-1", "qatalum-mesaieed", "qatalum", ["SML", "CST"]),
    _facility("qatalum-2", "qatalum-mesaieed", "qatalum", ["CST"]),
    _entity("qatalum-extrusion", "qatalum", ["SFB"]),
    _facility("qatalum-3", "qatalum-extrusion", "qatalum", ["SFB"]),
    _organisation("alba"),
    _entity("alba-works", "alba", ["SML", "CST"]),
    _facility("alba-1", "alba-works", "alba", ["SML", "CST"]),
)
"""What membership says of those that the rows name; the clean report is of qatalum-1, a smelter with a casthouse."""


@dataclasses.dataclass(frozen=True)
class Given:
    """What a row says of the report; `today` is the day on which it is handed in."""

    version: str
    first: str
    last: str
    today: datetime.date
    activities: tuple[str, ...]
    changes: dict[str, str]

    def applied(self, report: dict[str, Any]) -> dict[str, Any]:
        """The report, on this version, of these activities and days, with the row's changes."""
        report = copy.deepcopy(report) | {"audited_from": self.first, "audited_until": self.last}
        for name, said in self.changes.items():
            if name in _PLACES:
                _PLACES[name](report, said)
            elif re.fullmatch(r"[0-9]+\.[0-9]+", name):
                (finding,) = (f for f in report["findings"] if f["criterion"] == name)
                finding |= _rated(*said.split())
            elif name == "maturity":
                report["maturity"] = dict.fromkeys(report["maturity"], said)
            else:
                assert name in report, f"a report has no {name}"
                report[name] = said
        return report


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def given(text: str) -> Given:
    said = dict(part.strip().split("=", 1) for part in text.split(";") if part.strip())
    first, _, last = said.pop("audited", "2026-10-12..2026-10-16").partition("..")
    today = datetime.date.fromisoformat(said.pop("today", "2026-11-02"))
    activities = tuple(said.pop("activities", " ".join(ACTIVITIES)).split())
    return Given(said.pop("version", "3.0"), first, last, today, activities, said)


def told(faults: Iterable[tuple[str, str]]) -> str:
    """Path and code of each fault as the table has them."""
    return " + ".join(f"{path} {code}" for path, code in faults) or TAKEN


def _rated(rating: str, plan: str | None = None, due_on: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"rating": RATINGS.get(rating, rating), "reason": "As the auditors saw."}
    return said | ({"plan": {"state": plan} | ({"due_on": due_on} if due_on else {})} if plan else {})


def _set_facilities(report: dict[str, Any], said: str) -> None:
    ids = [] if said == "none" else said.split()
    report["scope"]["facilities"] = [{"id": id, "name": id, "country": "QA"} for id in ids]


def _set_facility_country(report: dict[str, Any], said: str) -> None:
    report["scope"]["facilities"][0]["country"] = said


_PLACES: dict[str, Callable[[dict[str, Any], str], None]] = {
    "scope_type": lambda report, said: report["scope"].update(type=said),
    "entity": lambda report, said: report["entity"].update(id=said),
    "entity_name": lambda report, said: report["entity"].update(name=said),
    "entity_country": lambda report, said: report["entity"].update(country=said),
    "facilities": _set_facilities,
    "facility_country": _set_facility_country,
}
