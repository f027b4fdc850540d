"""What the service does for whom, without broker and database."""

import copy
import datetime
import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from assessment.schemas.accreditation import AccreditBody, RegisterAuditor
from assessment.schemas.audits import GetAudit, ListAudits, ReturnAuditReport
from assessment.schemas.corrective_actions import ReviewCorrectiveActionPlan
from assessment.schemas.settings import SettingsSchema
from touchstone_chassis.runtime.settings import ConfigError, validated
from touchstone_chassis.validation import load
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import (
    AlreadyExists,
    DecisionNotImpartial,
    IllegalTransition,
    InvalidReport,
    InvalidRequest,
    NotFound,
    Unauthenticated,
)
from touchstone_contracts.events.membership import EntityRecorded, FacilityRecorded, OrganisationRecorded
from touchstone_contracts.roles import ASSESSOR, MEMBER, OPERATOR, SECRETARIAT

EXAMPLES = pathlib.Path(__file__).parents[4] / "examples"
OTHER_BODY = Caller("ecv-reports", ASSESSOR, cab="ecv")
QATALUM = Caller("qatalum-manager", MEMBER, member="qatalum")
OTHER_MEMBER = Caller("alba-manager", MEMBER, member="alba")
OPERATORS = Caller("operator-1", OPERATOR)
Building = Callable[..., dict[str, Any]]


def test_a_report_goes_from_submission_to_acceptance(office: Any) -> None:
    submitted = office.submit()
    accepted = office.call("accept_audit_report", office.secretariat, audit_id=submitted["audit_id"])

    assert submitted["audit_id"] == "dnv.r-1"
    assert submitted["report_hash"].startswith("sha256:") and len(submitted["report_hash"]) == 71
    assert accepted == submitted | {"state": accepted["state"]}
    assert [type(event).__name__ for event in office.events()] == ["AuditReportSubmitted", "AuditAccepted"]
    assert office.events()[1].body_name == "DNV"


def test_a_submission_reads_by_one_command_all_that_it_is_held_against_and_an_acceptance_too(office: Any) -> None:
    office.database.reads.clear()

    audit_id = office.submit()["audit_id"]
    submitting = list(office.database.reads)
    office.database.reads.clear()
    office.call("accept_audit_report", office.secretariat, audit_id=audit_id)

    assert submitting == ["standards/bodies/audits/auditors/members/entities/facilities"]
    assert office.database.reads == ["audits", "standards/bodies/reports/auditors/members/entities/facilities"]


def test_a_person_of_the_team_accepts_under_no_login_and_certification_hears_of_all_of_them(office: Any) -> None:
    known = {"standards": ["PS"], "countries": ["*"], "activities": ["SML", "CST"], "body_ids": ["dnv"], "name": "A"}
    days = {"valid_from": datetime.date(2018, 1, 1), "valid_until": datetime.date(2030, 12, 31)}
    person = {"auditor_id": "auditor-2", **known, **days}
    shown = office.call(
        "register_auditor", office.secretariat, **person, logins=["secretariat-7", "a.auditor@dnv.example"]
    )
    again = office.call("register_auditor", office.secretariat, **person)
    audit_id = office.submit()["audit_id"]

    with pytest.raises(DecisionNotImpartial):
        office.call("accept_audit_report", Caller("secretariat-7", SECRETARIAT), audit_id=audit_id)
    office.call("accept_audit_report", office.secretariat, audit_id=audit_id)

    (event,) = office.events("AuditAccepted")
    assert shown["logins"] == again["logins"] == ["secretariat-7", "a.auditor@dnv.example"]
    assert event.team_logins == ["a.auditor@dnv.example", "secretariat-7"]


def test_a_report_of_another_body_is_refused_as_such(office: Any) -> None:
    with pytest.raises(InvalidReport) as refused:
        office.submit(caller=OTHER_BODY)

    assert [(e.path, e.code) for e in refused.value.errors] == [("body_id", "not_your_body")]


def test_a_body_never_learns_whether_another_handed_in_a_report(office: Any) -> None:
    office.submit()

    with pytest.raises(InvalidReport):
        office.submit(caller=OTHER_BODY)


def test_the_same_report_again_exists_already_even_after_its_standard_closed(office: Any, a_report: Building) -> None:
    office.submit()
    office.correct(new_certificates_until="2026-10-15", existing_certificates_until="2026-10-15")

    with pytest.raises(AlreadyExists):
        office.submit()
    with pytest.raises(InvalidReport):
        office.submit(a_report(report_id="R-2"))


def test_a_returned_report_comes_again_under_its_id_and_the_earlier_one_is_kept(
    office: Any, a_report: Building
) -> None:
    first = office.submit()
    office.call("return_audit_report", office.secretariat, audit_id=first["audit_id"], reasons=["Say more on 1.1."])
    again = office.submit(a_report(maturity=dict.fromkeys(("systems", "risk", "performance"), "low")))

    assert again["audit_id"] == first["audit_id"]
    shown = office.call("get_audit", office.dnv, audit_id=first["audit_id"])
    assert shown["report"]["maturity"]["risk"] == "low"
    assert [s["reasons"] for s in shown["submissions"]] == [["Say more on 1.1."], []]
    assert {d["report"]["maturity"]["risk"] for d in office.documents("reports")} == {"medium", "low"}


def test_a_standard_that_wants_nobodys_look_is_accepted_at_once(office_with: Callable[..., Any]) -> None:
    office = office_with(acceptance="automatic")

    answer = office.submit()

    assert answer["state"].value == "accepted"
    assert [type(event).__name__ for event in office.events()] == ["AuditReportSubmitted", "AuditAccepted"]
    assert office.events()[1].accepted_by == "configuration"


def test_an_accreditation_that_was_corrected_since_keeps_a_report_from_being_accepted(office: Any) -> None:
    office.submit()
    request = {"standards": ["PS"], "countries": ["*"], "activities": ["CST"], "name": "A.", "body_ids": ["dnv"]}
    days = {"valid_from": datetime.date(2018, 1, 1), "valid_until": datetime.date(2030, 12, 31)}
    office.call("register_auditor", office.registrar, auditor_id="auditor-2", **request, **days)

    with pytest.raises(InvalidReport) as refused:
        office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")

    assert [(e.path, e.code) for e in refused.value.errors] == [("team[1].auditor_id", "auditor_not_accredited")]


def test_a_report_of_a_release_before_whose_form_is_none_today_is_returned_and_not_accepted(office: Any) -> None:
    office.submit()
    (stored,) = office.documents("reports")
    stored["report"]["entity"] |= {"country": "UK", "name": "Qatalum\ncertificate 5 issued"}
    office.database["reports"].replace_one({"_id": stored["_id"]}, stored)

    with pytest.raises(InvalidReport) as refused:
        office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")
    returned = office.call("return_audit_report", office.secretariat, audit_id="dnv.r-1", reasons=["Mend the entity."])

    assert [(e.path, e.code) for e in refused.value.errors] == [
        ("entity.country", "invalid_country"),
        ("entity.name", "invalid_text"),
    ]
    assert returned["state"].value == "returned"


def test_what_a_report_says_goes_on_in_its_kept_form_and_the_report_stays_as_it_came(
    office: Any, a_report: Building
) -> None:
    place = {"id": "qatalum-mesaieed", "name": " Me\u0301saieed\n", "country": "QA"}
    report = a_report(entity=place)
    report["scope"]["text"] = "Smelter\r\nand casthouse "

    office.call("accept_audit_report", office.secretariat, audit_id=office.submit(report)["audit_id"])

    shown = office.call("get_audit", office.secretariat, audit_id="dnv.r-1")
    accepted = office.events()[-1]
    assert accepted.entity.name == shown["entity"]["name"] == "M\u00e9saieed"
    assert accepted.scope.text == shown["scope"]["text"] == "Smelter\nand casthouse"
    assert shown["report"] == report
    with pytest.raises(IllegalTransition):
        office.submit(a_report(entity=place))
    with pytest.raises(AlreadyExists):
        office.submit(report)


def test_a_past_report_is_imported_with_its_history(office: Any, a_report: Building) -> None:
    report = a_report(version="2.0", audited_from="2021-11-28", audited_until="2021-12-16")
    history = {"issued_on": "2022-04-11", "number": 195, "source": "Summary report"}

    answer = office.call("import_audit_report", office.registrar, report=report, history=history)

    assert answer["state"].value == "accepted"
    (announced,) = office.events()
    assert announced.history.number == 195
    assert (announced.accepted_by, announced.standard_open_until) == ("import", datetime.date(2023, 6, 1))
    assert office.call("get_audit", office.registrar, audit_id="dnv.r-1")["history"]["number"] == 195


@pytest.mark.parametrize(
    ("history", "report", "wrong"),
    [
        ({"issued_on": "2023-07-11"}, {"audited_until": "2023-06-02"}, ("standard", "standard_not_open")),
        ({"issued_on": "2021-12-15"}, {}, ("audited_until", "date_order")),
        ({"issued_on": "2026-11-03"}, {"version": "3.0"}, ("history.issued_on", "date_order")),
        ({"certified_since": "2022-04-12"}, {}, ("history.certified_since", "date_order")),
        ({"number": 0}, {}, ("history.number", "out_of_range")),
        ({"number": 100_000}, {}, ("history.number", "number_too_high")),
        ({"number": 1_000_000_000}, {}, ("history.number", "number_too_high")),
        ({"number": True}, {}, ("history.number", "wrong_type")),
        ({"notify": "yes"}, {}, ("history.notify", "wrong_type")),
        ({"source": ""}, {}, ("history.source", "blank")),
        ({"valid": True}, {}, ("history.valid", "unknown_field")),
        ({}, {"audited_from": "2017-01-01", "audited_until": "2017-02-01"}, ("body_id", "body_not_accredited")),
        ({}, {"statements": {}}, ("statements.information_true", "statement_missing")),
    ],
)
def test_an_import_is_checked_like_any_report(
    office: Any, a_report: Building, history: dict[str, Any], report: dict[str, Any], wrong: tuple[str, str]
) -> None:
    past = {"version": "2.0", "audited_from": "2021-11-28", "audited_until": "2021-12-16"}
    published = {"issued_on": "2022-04-11", "number": 195, "source": "Summary report"}

    with pytest.raises(InvalidReport) as refused:
        office.call(
            "import_audit_report", office.registrar, report=a_report(**past | report), history=published | history
        )

    assert wrong in {(e.path, e.code) for e in refused.value.errors}
    assert office.events() == []


def test_faults_of_report_and_history_are_told_together(office: Any, a_report: Building) -> None:
    with pytest.raises(InvalidReport) as refused:
        office.call("import_audit_report", office.registrar, report=a_report(team=[]), history=None)

    assert {(e.path, e.code) for e in refused.value.errors} == {
        ("team", "lead_auditor_missing"),
        ("history", "wrong_type"),
    }


def test_a_body_and_a_member_see_their_own_audits_only(office: Any, a_report: Building) -> None:
    id = office.submit()["audit_id"]

    for caller in (office.dnv, QATALUM, office.secretariat, office.registrar, OPERATORS):
        assert office.call("get_audit", caller, audit_id=id)["report_id"] == "R-1"
        listed = office.call("list_audits", caller, state=None, limit=10, after=None)
        assert [item["audit_id"] for item in listed["items"]] == [id]
    for caller in (OTHER_BODY, OTHER_MEMBER):
        with pytest.raises(NotFound):
            office.call("get_audit", caller, audit_id=id)
        assert office.call("list_audits", caller, state=None, limit=10, after=None) == {"items": [], "next": None}


def test_a_body_reviews_plans_of_its_own_audits_only(office: Any, a_report: Building, rated: Building) -> None:
    office.submit(rated(a_report(), "2.4", "minor_nonconformity", plan={"state": "none"}))
    office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")
    review = load(ReviewCorrectiveActionPlan(), {"audit_id": "dnv.r-1", "criterion": "2.4", "plan_state": "approved"})

    with pytest.raises(NotFound):
        office.call("review_corrective_action_plan", OTHER_BODY, **review)
    office.call("review_corrective_action_plan", office.dnv, **review)

    shown = office.call("get_audit", office.dnv, audit_id="dnv.r-1")
    assert shown["nonconformities"][0]["plan_state"] == "approved"
    assert shown["report"]["findings"][6]["plan"] == {"state": "none"}
    assert shown["plan_reviews"][0]["reviewed_by"] == "dnv-reports"


def test_a_list_goes_on_behind_its_last_item(office: Any, a_report: Building) -> None:
    for number in range(5):
        office.submit(a_report(report_id=f"R-{number}"))
    office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")

    first = office.call("list_audits", office.dnv, state=None, limit=3, after=None)
    rest = office.call("list_audits", office.dnv, state=None, limit=3, after=first["next"])
    accepted = office.call("list_audits", office.dnv, **load(ListAudits(), {"state": "accepted"}))

    assert [item["audit_id"] for item in first["items"]] == ["dnv.r-0", "dnv.r-1", "dnv.r-2"]
    assert [item["audit_id"] for item in rest["items"]] == ["dnv.r-3", "dnv.r-4"]
    assert (first["next"], rest["next"]) == ("dnv.r-2", None)
    assert [item["audit_id"] for item in accepted["items"]] == ["dnv.r-1"]


def test_a_message_that_was_refused_is_answered_with_the_same_errors(office: Any, a_report: Building) -> None:
    report = a_report(team=[])
    with pytest.raises(InvalidReport) as refused:
        office.submit(report)

    office.record_refusal({"report": report}, office.dnv, refused.value, "message-1")

    (announced,) = office.events()
    assert (announced.submission_id, announced.report_id, announced.body_id) == ("message-1", "R-1", "dnv")
    assert [(p.path, p.code) for p in announced.problems] == [("team", "lead_auditor_missing")]
    assert [d["_id"] for d in office.documents("refusals")] == ["message-1"]


def test_senders_that_choose_the_same_message_id_are_both_answered(office: Any) -> None:
    for caller in (office.dnv, OTHER_BODY):
        office.record_refusal({}, caller, InvalidReport("Nothing there."), "1")

    assert [event.body_id for event in office.events()] == ["dnv", "ecv"]


@pytest.mark.parametrize("body", [None, [], {"report": None}, {"report": {"report_id": ["x"]}}, "text"])
def test_a_message_of_nobody_is_answered_without_a_body(office: Any, body: Any) -> None:
    office.record_refusal(body, None, Unauthenticated("The token has expired."), "message-1")

    (announced,) = office.events()
    assert (announced.report_id, announced.body_id, announced.code) == (None, None, "unauthenticated")
    assert [(p.path, p.code) for p in announced.problems] == [("", "unauthenticated")]


def test_standards_are_shown_with_their_criteria_sources_and_confidences(office: Any) -> None:
    listed = office.call("list_standards", QATALUM)
    shown = office.call("get_standard", QATALUM, code="PS", version="3.0")

    counted = [(s["code"], s["version"], s["criteria_count"]) for s in listed["items"]]
    assert counted == [("COC", "2.0", 12), ("PS", "2.0", 59), ("PS", "3.0", 62)]
    assert shown["criteria"][0]["confidence"] == "recalled"
    with pytest.raises(NotFound):
        office.call("get_standard", QATALUM, code="PS", version="9.0")


def test_nobody_is_accredited_for_what_no_standard_knows(office: Any) -> None:
    request = {"standards": ["PS", "XY"], "countries": ["*"], "activities": ["BREWING"], "name": "N"}
    days = {"valid_from": datetime.date(2020, 1, 1), "valid_until": datetime.date(2021, 1, 1)}

    with pytest.raises(InvalidRequest) as refused:
        office.call("accredit_body", office.secretariat, body_id="b-1", **request, **days)

    assert [(e.path, e.code) for e in refused.value.errors] == [
        ("standards[1]", "unknown_standard"),
        ("activities[0]", "unknown_activity"),
    ]


def test_an_auditor_works_for_accredited_bodies(office: Any) -> None:
    request = {
        "standards": ["PS"],
        "countries": ["*"],
        "activities": ["SML"],
        "name": "N",
        "body_ids": ["dnv", "nobody"],
    }
    days = {"valid_from": datetime.date(2020, 1, 1), "valid_until": datetime.date(2021, 1, 1)}

    with pytest.raises(InvalidRequest) as refused:
        office.call("register_auditor", office.secretariat, auditor_id="a-1", **request, **days)

    assert [(e.path, e.code) for e in refused.value.errors] == [("body_ids[1]", "unknown_body")]


def test_an_accreditation_that_changes_nothing_announces_nothing(office: Any) -> None:
    office.accredit()

    assert office.events() == []
    assert [d["version"] for d in office.documents("bodies")] == [1]


@pytest.mark.parametrize(
    ("schema", "request_", "path", "code"),
    [
        (
            AccreditBody(),
            {"valid_from": "2022-01-01", "valid_until": "2021-01-01"},
            "valid_until",
            "date_order",
        ),
        (AccreditBody(), {"countries": ["Q"]}, "countries[0]", "invalid_country"),
        (AccreditBody(), {"countries": ["*", "UK"]}, "countries[1]", "invalid_country"),
        (AccreditBody(), {"name": "DNV\u2029UK"}, "name", "invalid_text"),
        (AccreditBody(), {"valid_from": "2020-W01-1"}, "valid_from", "invalid_date"),
        (ReviewCorrectiveActionPlan(), {"plan_state": "none"}, "plan_state", "unknown_choice"),
        (ListAudits(), {"limit": 201}, "limit", "out_of_range"),
        (ListAudits(), {"limit": "5"}, "limit", "wrong_type"),
        (ListAudits(), {"after": {"$gt": ""}}, "after", "wrong_type"),
        (GetAudit(), {"audit_id": "../x"}, "audit_id", "invalid_id"),
        (ReturnAuditReport(), {"audit_id": "dnv.r-1", "reasons": []}, "reasons", "too_few"),
    ],
)
def test_a_request_of_the_wrong_form_is_refused(schema: Any, request_: dict[str, Any], path: str, code: str) -> None:
    whole = {
        "body_id": "dnv",
        "name": "DNV",
        "standards": ["PS"],
        "countries": ["*"],
        "activities": ["SML"],
        "valid_from": "2020-01-01",
        "valid_until": "2021-01-01",
        "audit_id": "dnv.r-1",
        "criterion": "1.1",
    }
    known = {name: value for name, value in whole.items() if name in schema.fields}

    with pytest.raises(InvalidRequest) as refused:
        load(schema, known | request_)

    assert [(e.path, e.code) for e in refused.value.errors] == [(path, code)]


def test_a_folder_of_standards_in_the_settings_stops_the_start() -> None:
    assert validated(SettingsSchema(), {}) == {"unknown_references": "wait"}
    with pytest.raises(ConfigError, match="standards_folder: Unknown field"):
        validated(SettingsSchema(), {"standards_folder": "/standards"})


@pytest.fixture
def set_up(office: Any) -> Any:
    """The office with the bodies and auditors of the examples, and what membership told of members and sites."""
    setup = json.loads((EXAMPLES / "setup.json").read_text())
    for member in setup["members"]:
        known = {name: member[name] for name in ("member_id", "legal_name", "member_class", "country")}
        office.hear(OrganisationRecorded(**known, state="active", effective_on=datetime.date(2020, 1, 1)))
    for entity in setup["entities"]:
        office.hear(EntityRecorded(**entity))
    owners = {entity["entity_id"]: entity["member_id"] for entity in setup["entities"]}
    for facility in setup["facilities"]:
        office.hear(FacilityRecorded(member_id=owners[facility["entity_id"]], **facility))
    for body in setup["bodies"]:
        office.call("accredit_body", office.secretariat, **load(AccreditBody(), body))
    for auditor in setup["auditors"]:
        office.call("register_auditor", office.secretariat, **load(RegisterAuditor(), auditor))
    return office


@pytest.mark.parametrize("case", json.loads((EXAMPLES / "cases.json").read_text()), ids=lambda case: case["title"])
def test_the_examples_are_taken_or_refused_as_they_say(set_up: Any, case: dict[str, Any]) -> None:
    example = json.loads((EXAMPLES / case["file"]).read_text())
    given = copy.deepcopy(example)

    if case["via"] == "import":
        request = {"report": example["report"], "history": example["history"]}
        assert set_up.call("import_audit_report", set_up.registrar, **request)["state"].value == "accepted"
    elif "problems" in case:
        with pytest.raises(InvalidReport) as refused:
            set_up.submit(example, Caller("reports", ASSESSOR, cab=example["body_id"]))
        assert sorted(e.code for e in refused.value.errors) == sorted(case["problems"])
    else:
        answer = set_up.submit(example, Caller("reports", ASSESSOR, cab=example["body_id"]))
        assert answer["state"].value == "submitted"
    assert example == given


def test_a_body_is_shown_its_own_accreditation_and_auditors_page_by_page(office: Any) -> None:
    shown = office.call("get_body", office.dnv, body_id="dnv")
    first = office.call("list_auditors", office.dnv, body_id="dnv", limit=1, after=None)
    second = office.call("list_auditors", office.secretariat, body_id="dnv", limit=1, after=first["next"])

    assert (shown["body_id"], shown["grants"][0]["activities"]) == ("dnv", ["SML", "CST"])
    assert [one["auditor_id"] for page in (first, second) for one in page["items"]] == ["auditor-1", "auditor-2"]
    assert second["next"] is None
    for method, rest in (("get_body", {}), ("list_auditors", {"limit": 1, "after": None})):
        with pytest.raises(NotFound):
            office.call(method, OTHER_BODY, body_id="dnv", **rest)
