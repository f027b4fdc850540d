"""Words the refusal of a report that came by message, without repeating what the message said."""

from typing import Any

from assessment.schemas.report_parsing import report_id_of
from touchstone_contracts.errors import FieldError, Refusal
from touchstone_contracts.events.assessment import AuditReportRefused
from touchstone_contracts.values import Problem


def refused(body: Any, body_id: str | None, refusal: Refusal, message_id: str) -> AuditReportRefused:
    """The event that answers message `message_id`; `body_id` is the body that the token proved, if it proved one."""
    report = body.get("report") if isinstance(body, dict) else None
    faults = refusal.errors or (FieldError("", refusal.code, refusal.message),)
    return AuditReportRefused(
        submission_id=message_id,
        report_id=report_id_of(report),
        body_id=body_id,
        code=refusal.code,
        problems=[Problem(path=fault.path, code=fault.code, message=fault.message) for fault in faults],
    )
