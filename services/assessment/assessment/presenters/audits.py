"""Audits as callers see them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from assessment.domain.audits.audit import Audit, Submission


def receipt(audit: Audit) -> dict[str, Any]:
    """What a command on an audit answers."""
    return {
        "audit_id": audit.id,
        "state": audit.state,
        "report_hash": audit.latest.report_hash,
        "waits_for": [_plain(one) for one in audit.waits_for],
    }


def audit_line(audit: Audit) -> dict[str, Any]:
    """An audit in a list."""
    summary = audit.summary
    return receipt(audit) | {
        "report_id": summary.report_id,
        "body_id": summary.body_id,
        "member_id": summary.member_id,
        "entity": _plain(summary.entity),
        "standard": {"code": summary.standard.code, "version": summary.standard.version},
        "audit_type": summary.audit_type,
        "audited_from": summary.audited_from,
        "audited_until": summary.audited_until,
        "submitted_at": audit.latest.submitted_at,
        "accepted_at": audit.accepted_at,
        "standard_hash": audit.standard_hash,
    }


def audit(audit: Audit, report: Mapping[str, Any]) -> dict[str, Any]:
    """An audit whole, with its latest report as it was handed in."""
    summary = audit.summary
    return audit_line(audit) | {
        "scope": _plain(summary.scope),
        "ratings": summary.ratings,
        "nonconformities": [_plain(n) for n in audit.nonconformities],
        "overall_maturity": summary.overall_maturity,
        "recommendation": summary.recommendation,
        "report_due_on": summary.report_due_on,
        "report_overdue": audit.is_overdue,
        "accepted_by": audit.accepted_by,
        "history": _plain(audit.history) if audit.history else None,
        "submissions": [_submission(submission) for submission in audit.submissions],
        "plan_reviews": [dataclasses.asdict(review) for review in audit.plan_reviews],
        "report": report,
    }


def _plain(value: Any) -> Any:
    """A value of the published language as its schema writes it."""
    return value.schema.dump(value)


def _submission(submission: Submission) -> dict[str, Any]:
    return {
        "report_hash": submission.report_hash,
        "submitted_by": submission.submitted_by,
        "submitted_at": submission.submitted_at,
        "returned_by": submission.returned_by,
        "returned_at": submission.returned_at,
        "reasons": list(submission.reasons),
    }
