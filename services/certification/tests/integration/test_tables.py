"""The tables of audits against the running service, day by day of its sandbox."""

import datetime
import itertools
import time
from typing import Any

from touchstone_chassis.mongo.clock import CACHED_S
from touchstone_devkit.eventually import eventually
from touchstone_testing import decision_table, following_table

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
            go_to(neighbours, today)
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


def test_the_running_service_decides_what_follows_a_certificate_as_the_table_says(neighbours: Any, build: Any) -> None:
    rows = following_table.rows()
    audits = [(n, audit) for n, row in enumerate(rows) for audit in following_table.audits(row["input"])]
    neighbours.sign_mandate(standards=STANDARDS)
    go_to(neighbours, following_table.ISSUED_ON)
    for number, row in enumerate(rows):
        of_class = {"member_class": following_table.member_class(row["input"])}
        neighbours.publish(build.recorded(member_id=f"member-{number}", joined_on=JOINED_ON, **of_class))
    eventually(lambda: neighbours.database["members"].count_documents({}) == len(rows))

    decided = {}
    for day, taken in itertools.groupby(sorted(audits, key=lambda one: one[1].decided), lambda one: one[1].decided):
        go_to(neighbours, day)
        for number, audit in taken:
            where = {"member_id": f"member-{number}", "entity": build.place(f"works-{number}")}
            changed = audit.changed | where | {"audit_id": f"{audit.changed['audit_id']}-{number}"}
            case = case_of(neighbours, build.accepted(audit.found, **changed))
            decided[rows[number]["input"]] = followed(neighbours, case, f"works-{number}", day)

    assert decided == {row["input"]: row["expected"] for row in rows}
    assert neighbours.given_up() == 0


def followed(neighbours: Any, case: dict[str, Any], entity: str, day: datetime.date) -> str:
    """The case, and its entity's first certificate on that day, as the table has them."""
    outcome = case["outcome"] or (case["waits"] or {}).get("proposed") or case["state"]
    said = f"{outcome} {case['row']} {case['reasons'][0]['code']}; "
    certificate = neighbours.database["certificates"].find_one({"entity_id": entity}, sort=[("number", 1)])
    if certificate is None:
        return said + "none"
    number = certificate["number"]
    shown = neighbours.call("get_certificate", role=None, number=number)
    verified = neighbours.call("verify_certificate", role=None, number=number, on=day.isoformat())
    provisional = (verified["status"], verified["level"]) == ("valid", "provisional")
    state = "provisional" if provisional else verified["status"]
    return said + f"{state} {shown['level']} {shown['expires_on']} {shown['certificate_version']}"


def go_to(neighbours: Any, day: datetime.date) -> None:
    noon = datetime.datetime.combine(day, datetime.time(12), tzinfo=datetime.UTC)
    neighbours.move_clock((noon - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1))
    time.sleep(CACHED_S + 0.05)


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
