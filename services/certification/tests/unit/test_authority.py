"""Who decides: a mandate where there is a valid one, else a person who had no part in the audit."""

import datetime
from typing import Any

import pytest

from certification.application import wake_cases as waking
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import AlreadyExists, DecisionNotImpartial, IllegalTransition, NotFound
from touchstone_contracts.values import AuditType, PlanState


def test_an_accepted_audit_under_a_mandate_becomes_a_certificate_at_once(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    (issued,) = ready.events()
    assert (issued.number, issued.level.value, issued.audit_id) == (10_001, "full", "body.r-1")
    assert (issued.issued_on, issued.expires_on) == (datetime.date(2026, 11, 22), datetime.date(2029, 11, 21))
    assert issued.decided_by == "rule set 1, mandated by secretariat-1" and issued.notify
    assert ready.case()["state"] == "decided"
    assert ready.case()["decision"]["certificate_number"] == 10_001


def test_without_a_mandate_a_case_waits_for_a_person_and_says_what_the_rules_propose(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    office.run_due()

    case = office.case()

    assert (case["state"], case["waits"]["proposed"], case["decision"]) == ("awaiting_decision", "full", None)
    assert office.events() == []


def test_a_person_of_the_secretariat_decides_even_one_who_accepted_the_report(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())

    answer = office.call("decide_case", {"case_id": "body.r-1"})

    assert answer["decision"]["decided_by"] == "secretariat-1"
    assert answer["decision"]["decider"] == {"kind": "person", "id": "secretariat-1"}
    assert office.events()[0].decided_by == "secretariat-1"


@pytest.mark.parametrize(
    "subject", ["auditor-1", "a.auditor@dnv.example", "body-reports", "wrote-the-version-that-was-returned"]
)
def test_whoever_took_part_in_the_audit_or_wrote_the_report_does_not_decide(
    office: Any, build: Any, subject: str
) -> None:
    office.deliver(build.recorded())
    wrote = ["body-reports", "wrote-the-version-that-was-returned"]
    office.deliver(build.accepted(submitters=wrote, team_logins=["a.auditor@dnv.example"]))

    with pytest.raises(DecisionNotImpartial):
        office.call("decide_case", {"case_id": "body.r-1"}, Caller(subject=subject, role="secretariat"))


def test_a_mandate_signed_by_one_of_the_audit_team_gives_no_authority(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted(team=["secretariat-1"], accepted_by="configuration"))

    assert ready.case()["state"] == "awaiting_decision"


@pytest.mark.parametrize(
    "changed",
    [
        {"standards": [{"code": "PS", "version": "2.0"}]},
        {"valid_until": "2026-11-21"},
        {"valid_from": "2026-11-23"},
    ],
)
def test_a_mandate_for_another_standard_or_another_time_does_not_decide(
    office: Any, build: Any, changed: dict[str, Any]
) -> None:
    office.deliver(build.recorded())
    office.sign_mandate(**changed)
    office.deliver(build.accepted())
    office.run_due()

    assert office.case()["state"] == "awaiting_decision"


def test_signing_a_mandate_decides_the_cases_that_waited_for_one(
    office: Any, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "WOKEN_AT_ONCE_MAX", 5)
    office.deliver(build.recorded())
    for n in range(12):
        entity = type(build.accepted().entity)(id=f"works-{n}", name="Works", country="NO")
        office.deliver(build.accepted(audit_id=f"body.r-{n}", entity=entity))
    office.run_due()

    office.sign_mandate()
    office.run_due()

    assert len(office.events("CertificateIssued")) == 12
    assert len({event.number for event in office.events()}) == 12


def test_a_mandate_decides_from_its_first_day(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    office.sign_mandate(valid_from="2026-11-24")
    office.run_due()

    office.go_to(datetime.date(2026, 11, 24))

    assert office.case()["decision"]["decided_on"] == "2026-11-24"


def test_a_mandate_is_signed_once_under_one_id(office: Any) -> None:
    office.sign_mandate()

    with pytest.raises(AlreadyExists):
        office.sign_mandate(valid_until="2027-01-01")


def test_a_held_case_is_not_decided_by_a_person_either(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted([build.finding(plan=PlanState.NONE)]))

    with pytest.raises(IllegalTransition, match="held"):
        ready.call("decide_case", {"case_id": "body.r-1"})


def test_a_decided_and_an_unknown_case_are_not_decided_again(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    with pytest.raises(IllegalTransition):
        ready.call("decide_case", {"case_id": "body.r-1"})
    with pytest.raises(NotFound):
        ready.call("decide_case", {"case_id": "body.r-2"})


def end(office: Any, mandate_id: str = "mandate-1") -> Any:
    return office.call("end_mandate", {"mandate_id": mandate_id, "reason": "New rules."})


def test_a_mandate_that_was_ended_decides_nothing_more_though_it_was_read_before(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.deliver(build.accepted())

    ended = end(office)
    office.deliver(build.accepted(audit_id="body.r-2", entity=build.place("works-2")))
    office.run_due()

    assert (ended["ended_by"], ended["end_reason"], ended["ended_at"][:10]) == (
        "secretariat-1",
        "New rules.",
        "2026-11-22",
    )
    assert (office.case()["state"], office.case("body.r-2")["state"]) == ("decided", "awaiting_decision")
    assert office.case("body.r-2")["waits"]["for"] == "decision"


def test_after_the_end_of_one_another_mandate_decides(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.deliver(build.accepted())
    end(office)

    office.sign_mandate(mandate_id="mandate-2")
    office.deliver(build.accepted(audit_id="body.r-2", entity=build.place("works-2")))

    assert office.case("body.r-2")["decision"]["decider"] == {"kind": "mandate", "id": "mandate-2"}


def test_an_end_without_effect_is_refused(office: Any) -> None:
    office.sign_mandate()
    office.sign_mandate(mandate_id="mandate-2", valid_until="2026-11-21")
    end(office)

    with pytest.raises(IllegalTransition, match="was ended by"):
        end(office)
    with pytest.raises(IllegalTransition, match="was valid until 2026-11-21"):
        end(office, "mandate-2")
    with pytest.raises(NotFound):
        end(office, "mandate-3")


def held_case(office: Any, build: Any) -> None:
    """A surveillance of what has no certificate: nobody will ever bring what is missing."""
    office.sign_mandate()
    office.deliver(build.recorded())
    office.clock.time = datetime.datetime(2026, 12, 10, 12, tzinfo=datetime.UTC)
    last = datetime.date(2026, 12, 1)
    office.deliver(build.accepted(audit_type=AuditType.SURVEILLANCE, audited_until=last))
    assert (office.case()["state"], office.case()["reasons"][0]["code"]) == ("held", "certificate_missing")


def test_a_person_refuses_what_is_held_and_it_stays_refused(office: Any, build: Any) -> None:
    held_case(office, build)

    answer = office.call("refuse_case", {"case_id": "body.r-1", "reason": "There is no certificate to watch."})
    office.run_due()
    office.go_to(datetime.date(2028, 1, 1))

    assert (answer["state"], answer["outcome"], answer["row"]) == ("decided", "refused", "person")
    assert office.case()["decision"]["decided_by"] == "secretariat-1"
    (event,) = office.events("CertificationRefused")
    assert [(one.code, one.text) for one in event.reasons] == [
        ("refused_by_person", "There is no certificate to watch.")
    ]
    with pytest.raises(IllegalTransition):
        office.call("refuse_case", {"case_id": "body.r-1", "reason": "Again."})


def test_a_case_whose_member_never_came_can_be_refused(office: Any, build: Any) -> None:
    office.deliver(build.accepted())
    assert office.case()["state"] == "awaiting_member"

    office.call("refuse_case", {"case_id": "body.r-1", "reason": "Not a member."})
    office.deliver(build.recorded())
    office.run_due()

    assert office.case()["state"] == "decided" and office.certificates() == []


@pytest.mark.parametrize("subject", ["auditor-1", "body-reports"])
def test_whoever_took_part_does_not_refuse_either(office: Any, build: Any, subject: str) -> None:
    held_case(office, build)

    with pytest.raises(DecisionNotImpartial):
        office.call(
            "refuse_case", {"case_id": "body.r-1", "reason": "No."}, Caller(subject=subject, role="secretariat")
        )
