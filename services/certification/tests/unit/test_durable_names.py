"""By which names the inbox and the collection of deadlines know certification's handlers: these never change."""

import copy

from certification.service import CertificationService
from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.scheduling.entrypoint import OnJob


def test_what_was_handled_is_known_by_the_same_names_whatever_the_methods_are_called() -> None:
    names = {}
    for entrypoint in map(copy.copy, entrypoints_of(CertificationService, OnEvent)):
        entrypoint.method_name = "renamed"
        names |= {event.type_name: entrypoint.handler_of(event) for event in entrypoint.event_classes}

    assert names == {
        "assessment.audit_accepted.v1": "open_case",
        "assessment.corrective_action_plan_reviewed.v1": "note_plan_review",
        "membership.membership_activated.v1": "note_activation",
        "membership.membership_reinstated.v1": "note_reinstatement",
        "membership.membership_suspended.v1": "note_suspension",
        "membership.organisation_recorded.v1": "keep_member",
    }


def test_jobs_that_an_earlier_release_set_are_run() -> None:
    kinds = {entrypoint.kind for entrypoint in entrypoints_of(CertificationService, OnJob)}

    assert kinds == {"case_review", "case_resume", "plan_due", "certificate_expiry", "wake_cases"}
