"""What certification has itself do later: the kinds of its jobs, their keys and payloads, and when they are due."""

import datetime
from typing import Any

from certification.domain.cases.case import Case
from certification.domain.certificates.certificate import Certificate
from certification.domain.mandates import Mandate
from touchstone_contracts.reference import Edition

REVIEW, RESUME, PLAN_DUE, EXPIRY, WAKE = "case_review", "case_resume", "plan_due", "certificate_expiry", "wake_cases"
"""Look at a case now; look at it on the day when the calendar changes something; its plan's due date has passed; a
certificate's last day has passed; look at all cases that waited for the same thing."""


class Jobs:
    """Sets jobs; they run after the commit that sets them."""

    def __init__(self, unit: Any):
        self._unit = unit

    def review(self, case_id: str, correlation_id: str, *, at: datetime.datetime) -> None:
        self._schedule(REVIEW, case_id, correlation_id, at)

    def resume(self, case: Case, *, on: datetime.date) -> None:
        self._schedule(RESUME, case.id, case.correlation_id, _midnight(on))

    def end_hold(self, case: Case, *, until: datetime.date) -> None:
        self._schedule(PLAN_DUE, case.id, case.correlation_id, hold_ends(until))

    def forget_hold(self, case: Case) -> None:
        self._unit.unschedule(PLAN_DUE, case.id)

    def expire(self, certificate: Certificate, correlation_id: str) -> None:
        self._schedule(EXPIRY, certificate.id, correlation_id, expiry_due(certificate))

    def forget_expiry(self, certificate: Certificate) -> None:
        self._unit.unschedule(EXPIRY, certificate.id)

    def wake(self, cases: dict[str, str], *, at: datetime.datetime, after: str = "") -> None:
        """Have the undecided cases that match looked at; `cases` compares one field, as `Cases.undecided` does.

        Without a field it is all of them.
        """
        ((name, wanted),) = cases.items() or [("all", "")]
        self._unit.schedule(WAKE, f"{name}/{wanted}/{after}", at, {"cases": cases, "after": after})

    def wake_for(self, mandate: Mandate, *, now: datetime.datetime) -> None:
        """Have the cases that a mandate covers looked at as soon as it is valid."""
        begins_at = max(now, _midnight(mandate.valid_from))
        for standard in mandate.standards:  # each mandate's own job: they begin on different days
            wake = {"cases": {"standard": standard}, "after": ""}
            self._unit.schedule(WAKE, f"mandate/{mandate.id}/{standard}", begins_at, wake)

    def wake_for_rules(self, edition: Edition, *, now: datetime.datetime) -> None:
        """Have every undecided case looked at as soon as a rule set is effective."""
        begins_at = max(now, _midnight(edition.effective_from))
        self._unit.schedule(WAKE, f"rule_set/{edition.key}", begins_at, {"cases": {}, "after": ""})

    def _schedule(self, kind: str, key: str, correlation_id: str, due_at: datetime.datetime) -> None:
        self._unit.schedule(kind, key, due_at, {"correlation_id": correlation_id})


def expiry_due(certificate: Certificate) -> datetime.datetime:
    """When the end of a certificate is to be announced: its last day is over."""
    return _after(certificate.record.expires_on)


def hold_ends(until: datetime.date) -> datetime.datetime:
    """When a case that is held until a day is looked at again: that day is over."""
    return _after(until)


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC)


def _after(last_day: datetime.date) -> datetime.datetime:
    return _midnight(last_day + datetime.timedelta(days=1))
