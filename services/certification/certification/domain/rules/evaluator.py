"""The evaluator: what a rule set makes of the facts of a case, and how it came to that."""

import dataclasses
import datetime
import functools
import string
from collections.abc import Mapping
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta

from certification.domain.rules.facts import Fact
from certification.domain.rules.rule_set import OPERATORS, Guard, Outcome, Row, RuleSet, Stage, Test
from touchstone_contracts.values import Reason


class Tested(NamedTuple):
    """One comparison as it was made; JSON-able."""

    fact: str
    comparison: str
    expected: Any
    found: Any
    holds: bool


class TraceStep(NamedTuple):
    """A row or guard that was tried: whether it fired, on which values, and on which criteria."""

    kind: str
    rule: str
    fired: bool
    tested: tuple[Tested, ...]
    findings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "rule": self.rule,
            "fired": self.fired,
            "tested": [one._asdict() for one in self.tested],
            "findings": list(self.findings),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a rule set makes of a case on a day. `reasons` is never empty.

    `rule_set` is the version, None where no rule set was effective on that day; id and hash are None, too, of what 0.1
    evaluated, which kept neither. `until` is the last day of a hold that ends by itself. Imported history is decided as
    of one day in the past, so its holds never do.
    """

    rule_set: int | None
    rule_set_id: str | None = None
    rule_set_hash: str | None = None
    on: datetime.date
    outcome: Outcome
    row: str
    reasons: tuple[Reason, ...]
    trace: tuple[TraceStep, ...]
    expires_on: datetime.date | None = None
    until: datetime.date | None = None


def last_day(first: datetime.date, validity: Mapping[str, int]) -> datetime.date:
    """The last day of validity: the same calendar day years or months later, less one day, reckoned from `first`.

    2024-02-29 and three years give 2027-02-27.
    """
    return _last_day(first, validity.get("years", 0), validity.get("months", 0))


@functools.lru_cache(maxsize=100)
def _last_day(first: datetime.date, years: int, months: int) -> datetime.date:
    return first + relativedelta(years=years, months=months) - relativedelta(days=1)


def evaluate(rules: RuleSet, facts: Mapping[str, Fact]) -> Evaluation:
    """Try the guards on the report, then the rows, then - where something would be given - the other guards.

    `facts` come from `facts.gather`. Any faulty guard holds the case; so does the lack of a row that applies.
    """
    trace: list[TraceStep] = []
    on: datetime.date = facts["decision_on"].value
    faults = _faults(rules, Stage.REPORT, facts, trace)
    known = {**facts, "report_faults": Fact(len(faults))}
    row = _first_row(rules, known, trace)
    if row is None:
        reason = Reason(rule="none", code="no_rule_applies", text="No row of the decision table applies.")
        return _evaluation(rules, on, Outcome.HELD, "none", [reason], trace)
    if faults:
        return _evaluation(rules, on, Outcome.HELD, row.id, [_fault(rules, known, guard) for guard in faults], trace)
    return _decide(rules, row, known, on, trace)


def without_rules(on: datetime.date) -> Evaluation:
    """What is made of a case on a day that no rule set is effective on: it is held. Absence is never a refusal."""
    reason = Reason(rule="none", code="no_rule_set", text=f"No rule set is effective on {on}.")
    return Evaluation(rule_set=None, on=on, outcome=Outcome.HELD, row="none", reasons=(reason,), trace=())


def _decide(rules: RuleSet, row: Row, known: Mapping[str, Fact], on: datetime.date, trace: list) -> Evaluation:
    until = known[row.waits.until].value if row.waits else None
    if row.waits and until is not None and on <= until:
        waiting = [_reason(rules, known, row.id, row.waits.code, row.waits.text)]
        ends_on = None if known["imported"].value else until
        return _evaluation(rules, on, Outcome.HELD, row.id, waiting, trace, until=ends_on)
    reasons = [_reason(rules, known, row.id, row.code, row.text)]
    expires_on = last_day(on, row.validity) if row.validity else None
    ends_on = known["certificate_expires_on"].value
    if expires_on is not None and row.outcome is Outcome.DOWNGRADED and ends_on is not None:
        expires_on = min(expires_on, ends_on)
    if not row.outcome.grants:
        return _evaluation(rules, on, row.outcome, row.id, reasons, trace, expires_on=expires_on)
    known = {**known, "lapsed_at_issue": Fact(expires_on is not None and expires_on < known["today"].value)}
    faults = _faults(rules, Stage.ISSUE, known, trace)
    if faults:
        return _evaluation(rules, on, Outcome.HELD, row.id, [_fault(rules, known, guard) for guard in faults], trace)
    return _evaluation(rules, on, row.outcome, row.id, reasons, trace, expires_on=expires_on)


def _evaluation(
    rules: RuleSet,
    on: datetime.date,
    outcome: Outcome,
    row: str,
    reasons: list[Reason],
    trace: list[TraceStep],
    **dates: datetime.date | None,
) -> Evaluation:
    return Evaluation(
        rule_set=rules.number,
        rule_set_id=rules.id,
        rule_set_hash=rules.hash,
        on=on,
        outcome=outcome,
        row=row,
        reasons=tuple(reasons),
        trace=tuple(trace),
        **dates,
    )


def _faults(rules: RuleSet, stage: Stage, known: Mapping[str, Fact], trace: list[TraceStep]) -> list[Guard]:
    faulty = []
    for guard in rules.guards:
        if guard.stage is not stage or (known["imported"].value and not guard.imports):
            continue
        step = _try("guard", guard.id, guard.fault_when, known)
        trace.append(step)
        if step.fired:
            faulty.append(guard)
    return faulty


def _first_row(rules: RuleSet, known: Mapping[str, Fact], trace: list[TraceStep]) -> Row | None:
    for row in rules.rows:
        step = _try("row", row.id, row.tests, known)
        trace.append(step)
        if step.fired:
            return row
    return None


def _try(kind: str, rule: str, tests: tuple[Test, ...], known: Mapping[str, Fact]) -> TraceStep:
    tested = [_compare(test, known[test.fact].value) for test in tests]
    fired = all([one.holds for one in tested])
    findings = dict.fromkeys(criterion for test in tests for criterion in known[test.fact].findings) if fired else ()
    return TraceStep(kind=kind, rule=rule, fired=fired, tested=tuple(tested), findings=tuple(findings))


def _compare(test: Test, value: Any) -> Tested:
    holds = OPERATORS[test.comparison](value, test.expected)
    found = value.isoformat() if isinstance(value, datetime.date) else value
    return Tested(test.fact, test.comparison, test.expected, found, holds)


def _fault(rules: RuleSet, known: Mapping[str, Fact], guard: Guard) -> Reason:
    return _reason(rules, known, "0" if guard.stage is Stage.REPORT else guard.id, guard.code, guard.text)


def _reason(rules: RuleSet, known: Mapping[str, Fact], rule: str, code: str, text: str) -> Reason:
    return Reason(rule=rule, code=code, text=string.Template(text).substitute(_Words(rules.parameters, known)))


class _Words(dict[str, Any]):
    """What a text may name, looked up when it does: a fact, the criteria that it was counted from, or a parameter."""

    def __init__(self, parameters: Mapping[str, Any], known: Mapping[str, Fact]):
        super().__init__()
        self._parameters, self._known = parameters, known

    def __missing__(self, name: str) -> Any:
        of_criteria = self._known.get(name.removesuffix("_criteria")) if name.endswith("_criteria") else None
        if of_criteria is not None:
            return ", ".join(of_criteria.findings)
        if name not in self._known:
            return self._parameters[name]
        value = self._known[name].value
        return ", ".join(value) if isinstance(value, (list, tuple)) else value
