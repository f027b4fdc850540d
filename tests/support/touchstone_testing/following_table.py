"""Reads `tests/tables/certification-following.csv`: what follows a certificate, and what is right.

`certificate` is what is there: `full` (issued on 2026-12-02), `provisional` (of the same day, for one major),
`suspended` (a full one, for a critical breach found in March 2027), `both` (another full one for another facility) or
`none`. The audit that follows is of the kind `type`, ends two weeks before the day of its decision (`decided`, else
2027-06-01), and finds `critical=N`, `majors=N PLAN`, `minors=N PLAN`, as in `decision_table`; `scope=wider` adds a
facility, `scope=other` is another facility alone; `class` is the member's class (PT). `expected` is outcome, row and
code of the first reason; then, of the certificate on that day, state, level, last day and version, or `none`.
"""

import csv
import dataclasses
import datetime
from pathlib import Path
from typing import Any

from touchstone_contracts.values import AuditType, Nonconformity, Place, Scope
from touchstone_testing import decision_table

TABLE = Path(__file__).parents[2] / "tables/certification-following.csv"
ISSUED_ON, BREACH_ON = datetime.date(2026, 12, 2), datetime.date(2027, 3, 1)
_FORTNIGHT = datetime.timedelta(days=14)
_SITES = [Place(id=f"smelter-{n}", name=f"Smelter {n}", country="NO") for n in (1, 2)]
_FACILITIES = {"same": _SITES[:1], "wider": _SITES, "other": _SITES[1:]}


@dataclasses.dataclass(frozen=True)
class Audit:
    """One of the audits that a row takes: the day of its decision, and how `AuditAccepted` differs from a clean one."""

    decided: datetime.date
    found: list[Nonconformity]
    changed: dict[str, Any]


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def member_class(text: str) -> str:
    return dict(part.strip().split("=", 1) for part in text.split(";")).get("class", "PT")


def audits(text: str) -> list[Audit]:
    """The audits of a row in their order; the last one is what it is about."""
    said = dict(part.strip().split("=", 1) for part in text.split(";"))
    certificate, kind, sites = said.pop("certificate"), AuditType(said.pop("type")), said.pop("scope", "same")
    said.pop("class", "")
    decided = datetime.date.fromisoformat(said.pop("decided", "2027-06-01"))
    due_on = (decided + datetime.timedelta(days=7)).isoformat()
    found = decision_table.findings(said, due_on=due_on)
    assert not said, f"the table has no {', '.join(said)}"
    return [*_before(certificate), _audit("body.r-9", decided, found, kind, sites)]


def _before(certificate: str) -> list[Audit]:
    major = decision_table.findings({"majors": "1 approved"})
    breach = decision_table.findings({"critical": "1"})
    first = _audit("body.r-1", ISSUED_ON, major if certificate == "provisional" else [], AuditType.INITIAL, "same")
    breached = _audit("body.r-2", BREACH_ON, breach, AuditType.SURVEILLANCE, "same")
    second = _audit("body.r-3", ISSUED_ON, [], AuditType.INITIAL, "other")
    return {"none": [], "suspended": [first, breached], "both": [first, second]}.get(certificate, [first])


def _audit(id: str, decided: datetime.date, found: list[Nonconformity], kind: AuditType, sites: str) -> Audit:
    changed = {
        "audit_id": id,
        "audit_type": kind,
        "audited_until": decided - _FORTNIGHT,
        "scope": Scope(type="facility", text="Smelter", activities=["SML"], facilities=_FACILITIES[sites]),
    }
    return Audit(decided=decided, found=found, changed=changed)
