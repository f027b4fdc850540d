"""What an audit that is not accepted yet waits for, in words for whoever has to act."""

from assessment.domain.audits.audit import Audit, State
from touchstone_contracts.pending_work import Waiting


def pending_work_of(audit: Audit) -> Waiting:
    """For an audit that is submitted or returned; an accepted one is certification's."""
    latest = audit.latest
    if audit.state is State.RETURNED:
        body = audit.summary.body_id
        return Waiting(
            case=audit.id,
            state="report returned",
            since=latest.returned_at or latest.submitted_at,
            waits_for=f"the corrected report of body {body}",
            who=f"body {body}",
            reasons=latest.reasons,
        )
    if audit.waits_for:
        named = ", ".join(f"{one.target} ({one.what})" for one in audit.waits_for)
        return Waiting(
            case=audit.id,
            state="report submitted",
            since=latest.submitted_at,
            waits_for=f"word of membership: {named}",
            who=None,
        )
    return Waiting(
        case=audit.id,
        state="report submitted",
        since=latest.submitted_at,
        waits_for="the Secretariat's review of the report: accept or return it",
        who="Secretariat",
    )
