"""What the services' records say of a case beside its events, for what is older than outboxes remember."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from touchstone.cases.event_words import words_for
from touchstone.cases.history import CaseTrail, moment
from touchstone.cases.steps import Step


def from_records(found: Mapping[str, Any], trail: CaseTrail) -> list[Step]:
    """Steps that the records know and of which no event is there any more; `found` is a case file."""
    known: dict[str, int] = {}
    for event in trail.events.values():
        if not event.foreign:
            name = event.type.rpartition(".v")[0]
            known[name] = known.get(name, 0) + 1
    steps = []
    for name, at, facts in sorted(_recorded(found), key=lambda one: one[1]):
        steps.append((name, at, facts))
    lost = []
    for name in dict.fromkeys(name for name, _, _ in steps):
        of_kind = [step for step in steps if step[0] == name]
        lost += of_kind[: max(0, len(of_kind) - known.get(name, 0))]  # the oldest are forgotten first
    return [_step(name, at, facts) for name, at, facts in sorted(lost, key=lambda one: one[1])]


def _recorded(found: Mapping[str, Any]) -> Iterator[tuple[str, datetime.datetime, dict[str, Any]]]:
    audit, case = found.get("audit") or {}, found.get("case") or {}
    # An import is a single step, its acceptance; it is dated back to the day of issue.
    imported = bool(audit.get("history"))
    for submission in audit.get("submissions", ()):
        submitted = moment(submission["submitted_at"])
        if not imported:
            yield "assessment.audit_report_submitted", submitted, {"report_id": audit["report_id"]}
        if submission["returned_at"]:
            returned = moment(submission["returned_at"])
            yield "assessment.audit_report_returned", returned, {"reasons": submission["reasons"]}
    if audit.get("accepted_at"):
        at = audit["submissions"][-1]["submitted_at"] if imported else audit["accepted_at"]
        yield "assessment.audit_accepted", moment(at), {"accepted_by": audit["accepted_by"]}
    for review in audit.get("plan_reviews", ()):
        yield "assessment.corrective_action_plan_reviewed", moment(review["reviewed_at"]), dict(review)
    if decision := case.get("decision"):
        yield _decided(decision)
    for notice in found.get("notices") or ():
        if notice["sent_at"]:
            facts = {"notice_type": notice["type"], "contact_id": notice["contact_id"]}
            yield "notification.notice_sent", moment(notice["sent_at"]), facts


def _decided(decision: Mapping[str, Any]) -> tuple[str, datetime.datetime, dict[str, Any]]:
    facts = {"decided_by": decision["decided_by"], "reasons": decision["reasons"], "level": decision["outcome"]}
    issued = decision["certificate_number"] is not None
    name = "certificate_issued" if issued else "certification_refused"
    return (
        f"certification.{name}",
        moment(decision["decided_at"]),
        facts | {"number": decision["certificate_number"]},
    )


def _step(name: str, at: datetime.datetime, facts: Mapping[str, Any]) -> Step:
    text = f"{words_for(f'{name}.v1', facts)} (from the record: its event is not kept any more)"
    return Step(kind="record", depth=0, service=name.partition(".")[0], text=text, at=at)
