"""What the rules make of an audit as things stand, and who may turn that into a decision."""

import dataclasses
import datetime

from certification.domain.audits import Audit, decision_day
from certification.domain.mandates import Authority, authority_for
from certification.domain.members import Member
from certification.domain.rules.evaluator import Evaluation, evaluate, without_rules
from certification.domain.rules.facts import Surroundings, gather
from certification.domain.rules.rule_set import RuleSet


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules make of an audit now, and who may turn it into a decision; nobody when `authority` is None."""

    evaluation: Evaluation
    authority: Authority | None
    member: Member


def weigh(
    audit: Audit, around: Surroundings, rules: RuleSet | None, *, today: datetime.date, person: str | None = None
) -> Verdict | None:
    """The verdict on an audit as things stand; None while its member has not arrived, which says nothing about it.

    `rules` are those that are effective on the day of the decision, if there are any.
    """
    if around.member is None:
        return None
    day = decision_day(audit, today)
    if rules is None:
        return Verdict(evaluation=without_rules(day), authority=None, member=around.member)
    due_days = rules.parameters["plan_due_days"]
    facts = gather(audit, around, member=around.member, today=today, plan_due_days=due_days)
    evaluation = evaluate(rules, facts)
    mandates = () if rules.by_person(evaluation.row) else around.mandates
    authority = authority_for(audit, rule_set=rules.number, day=day, mandates=mandates, person=person)
    return Verdict(evaluation=evaluation, authority=authority, member=around.member)
