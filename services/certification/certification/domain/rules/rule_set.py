"""The decision table as data: rows and guards, with the comparisons that they make."""

import dataclasses
import enum
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from touchstone_contracts.values import Level


class Outcome(enum.Enum):
    """What comes of a case. The last five change a certificate that is there, or let it go on."""

    FULL = "full"
    PROVISIONAL = "provisional"
    HELD = "held"
    REFUSED = "refused"
    MAINTAINED = "maintained"
    DOWNGRADED = "downgraded"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    SCOPE_CHANGED = "scope_changed"

    @property
    def level(self) -> Level | None:
        """The level that a certificate has by this outcome; None when it sets none."""
        provisional = dict.fromkeys((Outcome.PROVISIONAL, Outcome.DOWNGRADED), Level.PROVISIONAL)
        return {Outcome.FULL: Level.FULL, **provisional}.get(self)

    @property
    def grants(self) -> bool:
        """Whether it gives a certificate, or more than there was; the guards on issuing stand before that."""
        return self in (Outcome.FULL, Outcome.PROVISIONAL, Outcome.SCOPE_CHANGED)


class Stage(enum.Enum):
    """When a guard is tested: before every row, or only where a certificate, or more than there was, would be given."""

    REPORT = "report"
    ISSUE = "issue"


DECISION_TABLE = "decision-table"
"""The id of the rule sets that decide cases: there is one table, in versions."""

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "in": lambda found, expected: found in expected,
    "not_in": lambda found, expected: found not in expected,
    "intersects": lambda found, expected: not set(found).isdisjoint(expected),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Test:
    """One comparison of a fact with what is expected of it."""

    __test__ = False

    fact: str
    comparison: str
    expected: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guard:
    """A fault: when all its tests hold, the case is held with `code` as the typed reason."""

    id: str
    stage: Stage
    imports: bool
    fault_when: tuple[Test, ...]
    code: str
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waits:
    """Until the end of the day that the fact `until` names, a row holds the case instead of deciding it."""

    until: str
    code: str
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table; `audit_types` None means any. `validity` are the arguments of a relativedelta.

    `by_person`: what it says is decided by a person, whatever the mandates.
    """

    id: str
    audit_types: tuple[str, ...] | None
    when: tuple[Test, ...]
    outcome: Outcome
    code: str
    text: str
    validity: Mapping[str, int] | None = None
    waits: Waits | None = None
    by_person: bool = False

    @functools.cached_property
    def tests(self) -> tuple[Test, ...]:
        """All that must hold for the row to fire, the kind of audit first."""
        if self.audit_types is None:
            return self.when
        return (Test(fact="audit_type", comparison="in", expected=list(self.audit_types)), *self.when)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleSet:
    """One version of the decision table. Rows are tried in their order; the first that fires decides.

    `number` is the version, as mandates and certificates name it; `hash` that of the document which was published.
    """

    id: str
    number: int
    hash: str
    title: str
    parameters: Mapping[str, Any]
    guards: tuple[Guard, ...]
    rows: tuple[Row, ...]

    def by_person(self, row_id: str) -> bool:
        """Whether what that row says is for a person to decide."""
        return any(row.id == row_id and row.by_person for row in self.rows)
