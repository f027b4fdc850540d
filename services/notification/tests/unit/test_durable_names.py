"""By which names the inbox and the collection of deadlines know notification's handlers: these never change."""

import copy

from notification.service import NotificationService
from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.scheduling.entrypoint import OnJob


def test_what_was_handled_is_known_by_the_same_names_whatever_the_methods_are_called() -> None:
    names = {}
    for entrypoint in map(copy.copy, entrypoints_of(NotificationService, OnEvent)):
        entrypoint.method_name = "renamed"
        names |= {event.type_name: entrypoint.handler_of(event) for event in entrypoint.event_classes}

    known = {
        "certification.certificate_expired.v1": "announce_expiry",
        "certification.certificate_issued.v1": "announce_issue",
        "certification.certification_held.v1": "announce_hold",
        "certification.certification_refused.v1": "announce_refusal",
        "membership.contact_changed.v1": "learn_contact",
    }
    assert {type_name: names[type_name] for type_name in known} == known
    assert {name for type_name, name in names.items() if type_name not in known} <= {"announce"}  # by a notice rule


def test_jobs_that_an_earlier_release_set_are_run() -> None:
    kinds = {entrypoint.kind for entrypoint in entrypoints_of(NotificationService, OnJob)}

    assert kinds == {"send_notice", "send_again", "check_announcement", "catch_up"}
