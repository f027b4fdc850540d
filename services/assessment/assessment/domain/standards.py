"""Standard versions: their criteria, to which scopes these apply, and when certificates may rest on them."""

import dataclasses
import datetime
import enum
import functools
from collections.abc import Collection, Mapping

from dateutil.relativedelta import relativedelta

from touchstone_contracts.values import AuditType

_NEW_CERTIFICATES = frozenset({AuditType.INITIAL, AuditType.RECERTIFICATION})


class Acceptance(enum.Enum):
    """Who accepts a complete report: a person of the Secretariat, or the standard's configuration by itself."""

    SECRETARIAT = "secretariat"
    AUTOMATIC = "automatic"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Criterion:
    """One criterion. `restricted_to` names the activities that it is for; None means all of them."""

    code: str
    title: str
    principle: str
    restricted_to: frozenset[str] | None
    may_be_not_applicable: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class NarrowScope:
    """A scope with no other than these activities faces these principles only."""

    only_activities: frozenset[str]
    principles: frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardVersion:
    """One version of a standard, as it was published; an open end is None.

    `plan_due_after` counts from the audit's last day. `hash` is that of the document which was published.
    """

    code: str
    version: str
    name: str
    certifiable_from: datetime.date
    new_certificates_until: datetime.date | None
    existing_certificates_until: datetime.date | None
    acceptance: Acceptance
    plan_due_after: relativedelta
    report_due_days: int
    activities: frozenset[str]
    narrow_scopes: tuple[NarrowScope, ...]
    criteria: tuple[Criterion, ...]
    hash: str = ""

    @functools.cached_property
    def by_code(self) -> Mapping[str, Criterion]:
        return {criterion.code: criterion for criterion in self.criteria}

    def applicable(self, activities: Collection[str]) -> list[Criterion]:
        """The criteria that a scope with these activities must be rated on, in the standard's order."""
        present = frozenset(activities)
        narrow = [n for n in self.narrow_scopes if present and present <= n.only_activities]
        return [
            c
            for c in self.criteria
            if all(c.principle in n.principles for n in narrow)
            and (c.restricted_to is None or c.restricted_to & present)
        ]

    def open_until(self, audit_type: AuditType) -> datetime.date | None:
        """The last day for such an audit: a closed version goes on for the certificates that it already has."""
        return self.new_certificates_until if audit_type in _NEW_CERTIFICATES else self.existing_certificates_until

    def is_open(self, audit_type: AuditType, first: datetime.date, last: datetime.date) -> bool:
        """For an audit from the first to the last of these days."""
        until = self.open_until(audit_type)
        return self.certifiable_from <= first and (until is None or last <= until)

    def plan_due_by(self, audited_until: datetime.date) -> datetime.date:
        """The last day on which a major's corrective action plan may be due."""
        try:
            return audited_until + self.plan_due_after
        except (OverflowError, ValueError):
            return datetime.date.max
