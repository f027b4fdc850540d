"""From an accepted audit on the broker to a certificate in the register and an event for the next service."""

import datetime
import json
import pathlib
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from touchstone_contracts.events.certification import (
    CertificateExpired,
    CertificateIssued,
    CertificationHeld,
    CertificationRefused,
)
from touchstone_contracts.topology import unconsumed, unconsumed_records
from touchstone_contracts.values import History, Place, PlanState, Scope, Standard
from touchstone_devkit.eventually import eventually

PUBLISHED = pathlib.Path(__file__).parents[4] / "examples" / "published"


def entity(n: int) -> Place:
    return Place(id=f"works-{n}", name=f"Works {n}", country="NO")


def recently(build: Any, *args: Any, **changed: Any) -> Any:
    """An accepted audit of last month, by the machine's clock."""
    ended = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=20)
    return build.accepted(*args, **({"audited_until": ended} | changed))


def by_audit(event: Any) -> str:
    return event.audit_id


def test_an_accepted_audit_becomes_one_certificate_however_often_it_is_delivered(neighbours: Any, build: Any) -> None:
    neighbours.sign_mandate()
    neighbours.publish(build.recorded())
    eventually(lambda: neighbours.database["members"].find_one())

    for id in ("m-1", "m-1", "m-2", "m-1"):
        neighbours.publish(recently(build), id=id)
    neighbours.publish(recently(build, audit_id="body.r-9", entity=entity(9)))

    eventually(lambda: neighbours.state("body.r-9") == "decided")
    issued, _ = eventually(lambda: len(neighbours.events()) > 1 and sorted(neighbours.events(), key=by_audit))
    certificate = neighbours.call("get_certificate", role=None, number=issued.number)
    assert issued.number > 10_000
    assert (certificate["status"], certificate["audit_id"]) == ("valid", "body.r-1")
    assert neighbours.call("verify_certificate", role=None, number=issued.number)["valid"] is True
    assert neighbours.call("get_case", case_id="body.r-1")["decision"]["row"] == "7"
    assert len(neighbours.call("list_certificates", role=None)["items"]) == 2
    assert len(neighbours.events()) == 2 and neighbours.given_up() == 0


def test_records_that_nobody_consumes_are_in_a_short_queue_of_their_own(neighbours: Any, build: Any) -> None:
    records, others = unconsumed_records("certification"), unconsumed("certification")
    for queue in (records, others):
        neighbours.channel.queue_purge(queue)
    neighbours.sign_mandate()
    neighbours.publish(build.recorded())
    neighbours.publish(recently(build))

    (issued,) = eventually(neighbours.events)

    told: dict[str, Any] = {}

    def both_came() -> bool:
        _, properties, body = neighbours.channel.basic_get(records, auto_ack=True)
        told.update({properties.type: json.loads(body)["data"]} if properties else {})
        return len(told) == 2 and told["certification.case_recorded.v1"]["state"] == "decided"

    eventually(both_came)
    certificate = told["certification.certificate_recorded.v1"]
    assert certificate["number"] == issued.number
    assert [period["state"] for period in certificate["timeline"]] == ["not_yet_issued", "valid", "expired"]
    assert neighbours.channel.queue_declare(others, passive=True).method.message_count == 0


def test_an_audit_waits_for_its_member_and_its_mandate(neighbours: Any, build: Any) -> None:
    neighbours.publish(recently(build))
    eventually(lambda: neighbours.state("body.r-1") == "awaiting_member")

    neighbours.publish(build.recorded())
    eventually(lambda: neighbours.state("body.r-1") == "awaiting_decision")
    neighbours.sign_mandate()

    eventually(lambda: neighbours.state("body.r-1") == "decided")
    (issued,) = eventually(neighbours.events)
    assert isinstance(issued, CertificateIssued)
    assert eventually(neighbours.database["events"].find_one)["correlation_id"] == "test"


def test_forty_audits_at_once_get_forty_numbers_and_none_is_lost(neighbours: Any, build: Any) -> None:
    for n in range(40):
        neighbours.publish(recently(build, audit_id=f"body.r-{n}", entity=entity(n)))
    neighbours.publish(build.recorded())
    neighbours.sign_mandate()

    eventually(lambda: len(neighbours.events(CertificateIssued)) == 40, within_s=30)

    assert len({event.number for event in neighbours.events()}) == 40
    assert len(neighbours.events()) == 40 and neighbours.given_up() == 0


def test_of_twenty_audits_of_one_scope_at_once_one_is_certified_and_the_others_are_held(
    neighbours: Any, build: Any
) -> None:
    neighbours.sign_mandate()
    neighbours.publish(build.recorded())
    eventually(lambda: neighbours.database["members"].find_one())

    for n in range(20):
        neighbours.publish(recently(build, audit_id=f"body.r-{n}"))

    eventually(lambda: len(neighbours.events(CertificationHeld)) == 19, within_s=30)
    assert len(neighbours.events(CertificateIssued)) == 1
    assert neighbours.database["certificates"].count_documents({"open": True}) == 1
    assert neighbours.given_up() == 0


def test_a_plan_that_is_approved_ends_a_hold_and_one_that_is_overdue_ends_it_too(neighbours: Any, build: Any) -> None:
    due_on = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=10)
    finding = build.finding(plan=PlanState.SUBMITTED, due_on=due_on)
    neighbours.sign_mandate()
    neighbours.publish(build.recorded())
    for n in (1, 2):
        neighbours.publish(recently(build, [finding], audit_id=f"body.r-{n}", entity=entity(n)))
    eventually(lambda: len(neighbours.events(CertificationHeld)) == 2)

    neighbours.publish(build.review(), sequence=2)
    eventually(lambda: neighbours.state("body.r-1") == "decided")
    neighbours.move_clock(days=12)
    eventually(lambda: neighbours.state("body.r-2") == "decided")

    assert [event.audit_id for event in eventually(lambda: neighbours.events(CertificateIssued))] == ["body.r-1"]
    (refused,) = eventually(lambda: neighbours.events(CertificationRefused))
    assert (refused.audit_id, [reason.code for reason in refused.reasons]) == ("body.r-2", ["plan_overdue"])


def test_a_certificate_expires_once_and_makes_room_for_the_next(neighbours: Any, build: Any) -> None:
    neighbours.sign_mandate()
    neighbours.publish(build.recorded())
    neighbours.publish(recently(build, [build.finding(rating=build.major)]))
    eventually(lambda: neighbours.events(CertificateIssued))
    neighbours.publish(recently(build, audit_id="body.r-2"))
    eventually(lambda: neighbours.events(CertificationHeld))

    neighbours.move_clock(days=367)

    eventually(lambda: len(neighbours.events(CertificateIssued)) == 2)
    assert sorted(type(event).__name__ for event in neighbours.events()) == [
        "CertificateExpired",
        "CertificateIssued",
        "CertificateIssued",
        "CertificationHeld",
    ]
    certificates = neighbours.call("list_certificates", role=None)["items"]  # by number: one drawn in vain comes later
    expired, valid = sorted(certificates, key=lambda one: str(one["issued_on"]))
    assert (expired["status"], valid["status"]) == ("expired", "valid")


def test_what_was_published_comes_out_of_the_register_as_it_was_published(neighbours: Any, build: Any) -> None:
    examples = [json.loads(file.read_text()) for file in sorted(PUBLISHED.glob("*.json"))]
    for example in examples:
        member = {"member_id": example["report"]["member_id"], "legal_name": example["published"]["holder"]}
        neighbours.publish(build.recorded(**member))

        neighbours.publish(_imported(build, example))

    issued = eventually(lambda: len(neighbours.events(CertificateIssued)) == 4 and neighbours.events(CertificateIssued))
    numbers = {event.audit_id: event.number for event in issued}
    for example in examples:
        number = numbers[_imported(build, example).audit_id]
        certificate = neighbours.call("get_certificate", role=None, number=number)
        published = {
            name: value for name, value in example["published"].items() if name in PUBLIC and value is not None
        }
        assert {name: PUBLIC[name](certificate) for name in published} == published
        assert certificate["decided_by"] == "import by registrar, rule set 1"
    eventually(lambda: [event.notify for event in neighbours.events(CertificateExpired)] == [False] * 4)


PUBLIC: dict[str, Callable[[dict[str, Any]], Any]] = {
    "number": itemgetter("number"),
    "standard": itemgetter("standard"),
    "level": itemgetter("level"),
    "holder": itemgetter("member_name"),
    "entity": lambda certificate: certificate["entity"]["name"],
    "country": lambda certificate: certificate["entity"]["country"],
    "body": itemgetter("body_name"),
    "issued_on": itemgetter("issued_on"),
    "expires_on": itemgetter("expires_on"),
}
"""The fields of a published certificate, and where the register has them."""


def _imported(build: Any, example: dict[str, Any]) -> Any:
    report, history, published = example["report"], example["history"], example["published"]
    scope = dict(report["scope"])
    places = [Place(**place) for place in scope.pop("facilities")]
    ratings: dict[str, int] = {}
    for finding in report["findings"]:
        ratings[finding["rating"]] = ratings.get(finding["rating"], 0) + 1
    told = {**history, "issued_on": datetime.date.fromisoformat(history["issued_on"])}
    return build.accepted(
        audit_id=f"{report['body_id']}.{report['report_id']}",
        report_id=report["report_id"],
        standard=Standard(**report["standard"]),
        standard_open_from=datetime.date(2017, 12, 1),
        member_id=report["member_id"],
        entity=Place(**report["entity"]),
        scope=Scope(**scope, facilities=places),
        body_id=report["body_id"],
        body_name=published["body"] or "A body that was not published",
        team=[one["auditor_id"] for one in report["team"]],
        submitted_by="registrar-1",
        accepted_by="import",
        audited_until=datetime.date.fromisoformat(report["audited_until"]),
        ratings=ratings,
        history=History(**told),
    )


def test_a_person_decides_once_and_the_answer_to_a_repeated_call_is_the_same(neighbours: Any, build: Any) -> None:
    neighbours.publish(build.recorded())
    neighbours.publish(recently(build))
    eventually(lambda: neighbours.state("body.r-1") == "awaiting_decision")
    token = neighbours.token("secretariat")

    first = neighbours.ask("decide_case", token, case_id="body.r-1", idempotency_key="k-1")
    again = neighbours.ask("decide_case", token, case_id="body.r-1", idempotency_key="k-1")
    anew = neighbours.ask("decide_case", token, case_id="body.r-1", idempotency_key="k-2")

    assert first == again and first["result"]["decision"]["decided_by"] == "secretariat-1"
    assert anew["error"]["code"] == "illegal_transition"


def test_a_body_and_a_member_see_their_own_cases_and_no_one_sees_any_without_a_token(
    neighbours: Any, build: Any
) -> None:
    neighbours.publish(build.recorded())
    neighbours.publish(recently(build))
    eventually(lambda: neighbours.state("body.r-1") == "awaiting_decision")

    assert neighbours.call("get_case", role="assessor", cab="body", case_id="body.r-1")["case_id"] == "body.r-1"
    assert neighbours.call("list_cases", role="member", member="other")["items"] == []
    other = neighbours.ask("get_case", neighbours.token("assessor", cab="other"), case_id="body.r-1")
    nobody = neighbours.ask("get_case", case_id="body.r-1")
    wrong = neighbours.ask("decide_case", neighbours.token("registrar"), case_id="body.r-1", idempotency_key="k")
    assert [r["error"]["code"] for r in (other, nobody, wrong)] == ["not_found", "unauthenticated", "forbidden"]


MALFORMED: list[tuple[str, dict[str, Any], str]] = [
    ("get_certificate", {"number": "195"}, "number"),
    ("get_certificate", {"number": 0}, "number"),
    ("get_certificate", {}, "number"),
    ("verify_certificate", {"number": 1, "on": "yesterday"}, "on"),
    ("list_certificates", {"status": "lost"}, "status"),
    ("list_certificates", {"limit": 201}, "limit"),
    ("list_certificates", {"after": "x"}, "after"),
    ("list_cases", {"state": "open"}, "state"),
    ("sign_mandate", {"valid_until": "2017-01-01"}, "valid_until"),
    ("sign_mandate", {"rule_set": 99}, "rule_set"),
    ("sign_mandate", {"standards": []}, "standards"),
    ("sign_mandate", {"mandate_id": "Mandate 1"}, "mandate_id"),
]


def test_a_request_that_is_not_of_its_form_is_refused_with_its_place(neighbours: Any) -> None:
    mandate = {"rule_set": 1, "standards": [{"code": "PS", "version": "3.0"}], "valid_from": "2018-01-01"}
    good = {"sign_mandate": {**mandate, "valid_until": "2099-12-31", "idempotency_key": "k"}}

    for method, arguments, path in MALFORMED:
        reply = neighbours.ask(method, neighbours.token("secretariat"), **(good.get(method, {}) | arguments))

        assert reply["error"]["code"] == "invalid_request", (method, arguments)
        assert path in [error["path"].split("[")[0] for error in reply["error"]["errors"]], (method, arguments)


QUERIES: list[tuple[str, dict[str, Any], list[tuple[str, int]] | None]] = [
    ("certificates", {"number": 1}, None),
    ("certificates", {"number": {"$gt": 0}, "member_id": "m"}, [("number", 1)]),
    ("certificates", {"number": {"$gt": 0}, "standard_code": "PS"}, [("number", 1)]),
    ("certificates", {"number": {"$gt": 0}, "expires_on": {"$lt": "2026-01-01"}}, [("number", 1)]),
    ("certificates", {"entity_id": "e", "standard_code": "PS", "scope_key": "s", "open": True}, None),
    ("certificates", {"entity_id": "e", "standard_code": "PS", "expires_on": {"$gte": "2026-01-01"}}, None),
    ("cases", {"state": "held", "_id": {"$gt": "a"}}, [("_id", 1)]),
    ("cases", {"body_id": "b", "_id": {"$gt": "a"}}, [("_id", 1)]),
    ("cases", {"member_id": "m", "state": {"$in": ["held"]}, "_id": {"$gt": ""}}, [("_id", 1)]),
    ("cases", {"entity_id": "e", "state": {"$in": ["held"]}, "_id": {"$gt": ""}}, [("_id", 1)]),
    ("cases", {"entity_id": "e"}, None),
    ("cases", {"standard": "PS 3.0", "state": {"$in": ["held"]}, "_id": {"$gt": ""}}, [("_id", 1)]),
    ("mandates", {"standards": "PS 3.0", "rule_set": 1, "valid_until": {"$gte": "2026-01-01"}}, None),
    ("cases", {"state": {"$in": ["held"]}, "_id": {"$gt": ""}}, [("_id", 1)]),
    ("rule_sets", {"kind": "rule_set"}, None),
    ("plan_reviews", {"audit_id": "a"}, None),
]


def test_every_query_has_an_index(neighbours: Any) -> None:
    for collection, filter, sort in QUERIES:
        plan = neighbours.database[collection].find(filter, sort=sort).explain()["queryPlanner"]["winningPlan"]

        assert not {"COLLSCAN", "SORT"} & set(_stages(plan)), (collection, filter)


def _stages(plan: dict[str, Any]) -> list[str]:
    inner = [plan[name] for name in ("inputStage", "queryPlan") if name in plan] + plan.get("inputStages", [])
    return [plan.get("stage", ""), *(stage for one in inner for stage in _stages(one))]
