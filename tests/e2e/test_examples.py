"""Every example comes out as its file says: decision and why, the certificate's fields, a notice for each person."""

import dataclasses
import secrets
from collections.abc import Callable

import pytest

from touchstone_contracts.errors import InvalidReport
from touchstone_devkit.demo import checks
from touchstone_devkit.demo.cases import Case, load_cases
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, a_world

CASES = load_cases()


def titles(*outcomes: str) -> list[str]:
    return [case.title for case in CASES if case.outcome in outcomes]


def with_a_free_number(scheme: Scheme, world: World) -> World:
    """The published number; another one where an earlier run on the same system has taken it."""
    history, published = world.case.history, world.case.published
    if not history or not published or history["number"] is None:
        return world
    number = history["number"]
    while scheme.register.call(None, "certification.verify_certificate", number=number)["status"] != "unknown":
        number = 500 + secrets.randbelow(9_000)
    case = dataclasses.replace(
        world.case, history=history | {"number": number}, published=published | {"number": number}
    )
    return dataclasses.replace(world, case=case)


@pytest.fixture
def arrived(scheme: Scheme, new_world: Callable[[str], World]) -> Callable[[str], World]:
    """Makes the world of an example, with everything that comes before it done."""

    def arrive(title: str) -> World:
        suffix = secrets.token_hex(3)
        before: list[str] = []
        while (title_before := case_of((before or [title])[0]).after) is not None:
            before.insert(0, title_before)
        for earlier in before:
            scheme.travel(a_world(earlier, suffix))
        return a_world(title, suffix)

    return arrive


def case_of(title: str) -> Case:
    return next(case for case in CASES if case.title == title)


@pytest.mark.parametrize("title", [case.title for case in CASES if case.outcome != "not_submitted"])
def test_an_example_is_decided_as_its_file_says_and_everybody_is_told_once(
    scheme: Scheme, arrived: Callable[[str], World], title: str
) -> None:
    world = with_a_free_number(scheme, arrived(title))

    outcome = scheme.travel(world)

    assert checks.faults_of_case(world.case, outcome) == []
    notices = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=outcome.audit_id)
    assert sorted(n["contact_id"] for n in notices) == sorted(world.contact_ids)
    assert {n["state"] for n in notices} == {"sent"}
    assert len({n["message_id"] for n in notices}) == len(notices)


@pytest.mark.parametrize("title", titles("issued"))
def test_a_certificate_of_an_example_is_in_the_public_register_for_its_days(
    scheme: Scheme, new_world: Callable[[str], World], title: str
) -> None:
    world = with_a_free_number(scheme, new_world(title))

    number = scheme.travel(world).certificate["number"]  # type: ignore[index]

    certificate = scheme.register.call(None, "certification.get_certificate", number=number)
    verify = "certification.verify_certificate"
    assert scheme.register.call(None, verify, number=number, on=certificate["issued_on"])["valid"]
    assert scheme.register.call(None, verify, number=number, on=certificate["expires_on"])["valid"]
    assert not scheme.register.call(None, verify, number=number, on="2016-01-01")["valid"]
    assert not scheme.register.call(None, verify, number=number, on="2199-01-01")["valid"]


def test_a_report_with_five_faults_gets_five_errors_at_once_and_no_audit(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("five faults in the report")
    scheme.travel(world)

    with pytest.raises(InvalidReport) as refusal:
        scheme.register.call(world.body, "assessment.submit_audit_report", report=world.report())

    assert sorted(error.code for error in refusal.value.errors) == sorted(world.case.problems)
    assert all(error.path and error.message for error in refusal.value.errors)
    audits = scheme.register.every(world.body, "assessment.list_audits")
    assert audits == []


def test_the_trace_of_a_decision_names_the_rule_that_fired(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world("four majors")

    outcome = scheme.travel(world)

    case = scheme.register.call(SECRETARIAT, "certification.get_case", case_id=outcome.audit_id)
    fired = [step["rule"] for step in case["trace"] if step["fired"]]
    assert fired[-1] == "2a"
    assert case["decision"]["decided_by"].startswith("rule set 2, mandated by ")


def test_no_example_of_a_real_firm_lacks_a_source() -> None:
    published: list[Case] = [case for case in CASES if case.published]

    assert len(published) == 4
    assert all(case.report["provenance"]["source"].startswith("https://") for case in published)
