"""What an undecided case waits for, in words for whoever has to act; which rule holds it, the evaluation says."""

import datetime

from certification.domain.audits import standard_name
from certification.domain.cases.case import Case, CaseState
from certification.domain.mandates import Mandate
from touchstone_chassis.api import Lag
from touchstone_contracts.pending_work import Waiting

_SECRETARIAT, _REGISTRAR, _OPERATOR = "Secretariat", "registrar", "operator"

_MISSING: dict[str, tuple[str, str | None]] = {
    "membership_not_active": ("member {member} to be in good standing", _REGISTRAR),
    "plan_not_approved": ("an approved corrective action plan from body {body}", "body {body}"),
    "ps_certificate_missing": ("the entity's Performance Standard certificate", "member {member}"),
    "standard_not_open": ("{standard} to be open for certification", _SECRETARIAT),
    "certificate_missing": ("a certificate in force that it is about, or the Secretariat's refusal", _SECRETARIAT),
    "certificate_suspended": ("the suspended certificate's end or reinstatement, or a refusal", _SECRETARIAT),
    "certificate_exists": ("the certificate for the same entity, standard and scope to expire", None),
    "number_taken": ("the registrar: the number of the imported certificate is another's", _REGISTRAR),
    "audit_not_finished": ("the audit's last day", _SECRETARIAT),
    "no_rule_set": ("a rule set that is effective on the day of its decision", _SECRETARIAT),
    "audit_type_not_supported": ("a rule set that decides audits of its type", _SECRETARIAT),
}
"""By the code of the reason that holds a case: what would end the hold, and who can bring it. See the rule set."""
_NOT_DECIDABLE = ("a person who clears up what is wrong with the report", _SECRETARIAT)


def pending_work_of(
    case: Case,
    *,
    today: datetime.date,
    mandates: tuple[Mandate, ...],
    coming: Mandate | None,
    lag: Lag | None,
    next_look: datetime.datetime | None,
) -> Waiting:
    """For an undecided case.

    `mandates` are in force for it (and signed by somebody who took part in the audit, else it were decided), `coming`
    is the next to be in force, `lag` what this service is behind with of membership's events, `next_look` the moment
    when the calendar has the case looked at again.
    """
    if case.state is CaseState.AWAITING_MEMBER:
        return _for_member(case, lag)
    if case.state is CaseState.AWAITING_DECISION:
        return _for_decision(case, mandates, coming)
    return _held(case, today, next_look)


def _for_member(case: Case, lag: Lag | None) -> Waiting:
    """That a member is not known here means that there is none as soon as all that membership says has come."""
    member = case.audit.member_id
    if lag is None:
        return _waiting(case, "member unknown", f"member {member}: register and activate it", _REGISTRAR)
    return _waiting(
        case, "member not known yet", f"word of member {member} ({lag.told})", _OPERATOR if lag.late else None
    )


def _for_decision(case: Case, mandates: tuple[Mandate, ...], coming: Mandate | None) -> Waiting:
    evaluation = case.evaluation
    proposed = f"row {evaluation.row} says {evaluation.outcome.value}" if evaluation else "nothing proposed yet"
    state, standard = f"decision open ({proposed})", standard_name(case.audit.standard)
    if coming is not None:
        first = coming.valid_from
        return _waiting(case, state, f"mandate {coming.id}, in force from {first.isoformat()}", None, first)
    if mandates:
        return _waiting(case, state, "a person's decision: who signed the mandate took part in the audit", _SECRETARIAT)
    return _waiting(case, state, f"a mandate for {standard}, or a person's decision", _SECRETARIAT)


def _held(case: Case, today: datetime.date, next_look: datetime.datetime | None) -> Waiting:
    evaluation = case.evaluation
    reasons = evaluation.reasons if evaluation else ()
    words = {
        "member": case.audit.member_id,
        "body": case.audit.body_id,
        "standard": standard_name(case.audit.standard),
    }
    missing = [_MISSING.get(reason.code, _NOT_DECIDABLE) for reason in reasons]
    sentence = " and for ".join(dict.fromkeys(text.format_map(words) for text, _ in missing)) or _NOT_DECIDABLE[0]
    who = next((person.format_map(words) for _, person in missing if person), None)
    state = f"held (row {evaluation.row})" if evaluation else "held"
    until = evaluation.until if evaluation else None
    if until is not None and until < today:
        return _waiting(case, state, f"the decision that was due after {until.isoformat()}", _OPERATOR, until)
    if until is not None:
        return _waiting(case, state, f"{sentence}, due on {until.isoformat()}", None, until)
    if next_look is not None and next_look.date() > today:
        look = next_look.date()
        return _waiting(case, state, f"{sentence}; looked at again on {look.isoformat()}", None, look)
    return _waiting(case, state, sentence, who)


def _waiting(case: Case, state: str, waits_for: str, who: str | None, until: datetime.date | None = None) -> Waiting:
    history = case.audit.history
    return Waiting(
        case=case.id,
        certificate_number=history.number if history else None,
        state=state,
        since=case.since,
        waits_for=waits_for,
        who=who,
        until=until,
        reasons=tuple(reason.text for reason in case.evaluation.reasons) if case.evaluation else (),
    )
