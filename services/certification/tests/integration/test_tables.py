"""The table of initial audits against the running service, day by day of its sandbox."""

import datetime
import time
from typing import Any

from touchstone_chassis.mongo.clock import CACHED_S
from touchstone_devkit.eventually import eventually
from touchstone_testing import decision_table

JOINED_ON = datetime.date(2018, 6, 1)
STANDARDS = [{"code": "PS", "version": "3.0"}, {"code": "COC", "version": "2.0"}]


def test_the_running_service_decides_each_audit_as_the_table_says(neighbours: Any, build: Any) -> None:
    rows = sorted(decision_table.rows(), key=lambda row: decision_table.given(row["input"]).decided)
    neighbours.sign_mandate(standards=STANDARDS)

    decided, today = {}, None
    for number, row in enumerate(rows):
        given = decision_table.given(row["input"])
        if given.decided != today:
            today = given.decided
            noon = datetime.datetime.combine(today, datetime.time(12), tzinfo=datetime.UTC)
            neighbours.move_clock((noon - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1))
            time.sleep(CACHED_S + 0.05)
        member = f"member-{number}"
        standing = {} if given.in_good_standing else {"state": "suspended", "reasons": ["Fee overdue."]}
        neighbours.publish(build.recorded(member_id=member, joined_on=JOINED_ON, **standing))
        eventually(lambda member=member: neighbours.database["members"].find_one({"_id": member}))
        where = {"member_id": member, "entity": build.place(f"works-{number}")}
        if given.has_ps_certificate:
            case_of(neighbours, build.accepted(audit_id=f"body.ps-{number}", **where))
        case = case_of(neighbours, build.accepted(given.found, audit_id=f"body.r-{number}", **where, **given.changed))
        decided[row["input"]] = told(neighbours, case)

    assert decided == {row["input"]: row["expected"] for row in rows}
    assert neighbours.given_up() == 0


def case_of(neighbours: Any, accepted: Any) -> Any:
    """What the service makes of the audit, once it has looked at it."""
    neighbours.publish(accepted)
    seen = ("held", "decided", "awaiting_decision")
    eventually(lambda: neighbours.state(accepted.audit_id) in seen)
    return neighbours.call("get_case", case_id=accepted.audit_id)


def told(neighbours: Any, case: dict[str, Any]) -> str:
    """The case as the table has it."""
    said = [case["outcome"] or case["state"], case["row"], case["reasons"][0]["code"]]
    if number := case["certificate_number"]:
        said.append(neighbours.call("get_certificate", role=None, number=number)["expires_on"])
    return " ".join(said)
