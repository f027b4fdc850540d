"""Reads by one command what a report is held against, when it comes in and when it is accepted."""

from collections.abc import Iterable
from typing import Any

from assessment.domain.audits.audit import Audit
from assessment.storage.accreditation import Auditors, Bodies
from assessment.storage.audits import Audits
from assessment.storage.register import RegisterCopies
from assessment.storage.standards import Standards
from assessment.storage.unit_of_work import Unit


class ReportSurroundings:
    def __init__(self, unit: Unit):
        self._unit = unit

    def read(self, report: Any, *, body_id: str | None, audit_id: str | None, auditor_ids: Iterable[str]) -> None:
        """So that the repositories of the same unit of work have it; None where the report does not name one."""
        self._unit.read_ahead(
            Standards.query_editions(),
            Bodies.query_of(body_id),
            Audits.query_of(audit_id),
            Auditors.query_of(auditor_ids),
            *RegisterCopies.queries_of(report),
        )

    def read_for_acceptance(self, audit: Audit) -> None:
        summary = audit.summary
        self._unit.read_ahead(
            Standards.query_editions(),
            Bodies.query_of(summary.body_id),
            Audits.query_report(audit),
            Auditors.query_of(summary.team),
            *RegisterCopies.queries_of(summary.names()),
        )
