"""What an audit's decision does to the certificate that is there, in one table; and the event that tells it."""

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from certification.domain.certificates.certificate import Certificate
from certification.domain.certificates.record import CertificateRecord
from certification.domain.certificates.timeline import IN_FORCE, Step, followed_by
from certification.domain.rules.rule_set import Outcome
from touchstone_contracts.errors import IllegalTransition
from touchstone_contracts.events.certification import (
    CertificateDowngraded,
    CertificateMaintained,
    CertificateRenewed,
    CertificateScopeAmended,
    CertificateSuspended,
    CertificateUpgraded,
    CertificateWithdrawn,
)
from touchstone_contracts.values import AuditType, CertificateState, Level, Reason, Scope

RENEWED, UPGRADED = "renewed", "upgraded"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What was decided about a certificate: `on` is its first day, `scope` what was audited.

    `level` and `expires_on` are set where the decision sets them.
    """

    outcome: Outcome
    audit_type: AuditType
    audit_id: str
    body_id: str
    body_name: str
    scope: Scope
    on: datetime.date
    at: datetime.datetime
    by: str
    rule_set: int
    row: str
    reasons: Sequence[Reason]
    expires_on: datetime.date | None
    notify: bool

    @property
    def level(self) -> Level | None:
        return self.outcome.level


class _Effect(NamedTuple):
    """`tell` makes the event. `renews`: a new version under the same number. `state`: None keeps what it is, but for
    its level.
    """

    tell: Callable[[dict[str, Any]], Any]
    cause: str
    renews: bool = False
    state: CertificateState | None = None
    rescopes: bool = False


_BY_KIND = {
    AuditType.RECERTIFICATION: _Effect(lambda told: CertificateRenewed(**told), RENEWED, renews=True, rescopes=True),
    AuditType.PROVISIONAL_FOLLOWUP: _Effect(lambda told: CertificateUpgraded(**told), UPGRADED),
}
"""What a level that was given does, by the kind of audit that it was given after."""
_BY_OUTCOME = {
    Outcome.MAINTAINED: _Effect(lambda told: CertificateMaintained(**told), "maintained"),
    Outcome.DOWNGRADED: _Effect(lambda told: CertificateDowngraded(**told), "downgraded"),
    Outcome.SUSPENDED: _Effect(
        lambda told: CertificateSuspended(**told), "suspended", state=CertificateState.SUSPENDED
    ),
    Outcome.WITHDRAWN: _Effect(
        lambda told: CertificateWithdrawn(**told), "withdrawn", state=CertificateState.WITHDRAWN
    ),
    Outcome.SCOPE_CHANGED: _Effect(lambda told: CertificateScopeAmended(**told), "scope_amended", rescopes=True),
}


def effect_of(change: Change) -> _Effect:
    """Raises IllegalTransition where that outcome of that kind of audit does nothing to a certificate."""
    effect = _BY_OUTCOME.get(change.outcome) or _BY_KIND.get(change.audit_type)
    if effect is None or change.outcome in (Outcome.HELD, Outcome.REFUSED):
        raise IllegalTransition(f"{change.outcome.value} after an audit of the kind {change.audit_type.value}.")
    return effect


def apply(certificate: Certificate, change: Change) -> list[Any]:
    """Change the certificate as was decided; the events that tell it.

    Raises IllegalTransition for one that is closed, or where the outcome does nothing to a certificate.
    """
    effect = effect_of(change)
    if not certificate.open:
        raise IllegalTransition(f"Certificate {certificate.record.number} is closed.")
    extends = change.audit_type is AuditType.SCOPE_CHANGE and change.outcome is Outcome.DOWNGRADED
    certificate.steps = _steps(certificate, change, effect)
    certificate.record = _record(certificate.record, change, effect, rescoped=effect.rescopes or extends)
    certificate.open = effect.state is not CertificateState.WITHDRAWN
    also = [_BY_OUTCOME[Outcome.SCOPE_CHANGED]] if extends else []
    return [one.tell(_told(certificate, change)) for one in (effect, *also)]


def _steps(certificate: Certificate, change: Change, effect: _Effect) -> tuple[Step, ...]:
    before = certificate.history
    state = effect.state or (IN_FORCE[change.level] if change.level else before[-1].state)
    if before[-1].state is CertificateState.SUSPENDED and effect.state is None:
        state = CertificateState.SUSPENDED  # only a decision of its own lifts a suspension
    if state is before[-1].state and not effect.renews:
        return certificate.steps
    return followed_by(before, Step(since=change.on, state=state, cause=effect.cause))


def _record(record: CertificateRecord, change: Change, effect: _Effect, *, rescoped: bool) -> CertificateRecord:
    if change.level is None and not rescoped:
        return record
    decided: dict[str, Any] = {
        "rule_set": change.rule_set,
        "row": change.row,
        "decided_by": change.by,
        "decided_at": change.at,
    }
    renewed: dict[str, Any] = {
        "certificate_version": record.certificate_version + 1,
        "issued_on": change.on,
        "audit_id": change.audit_id,
        "body_id": change.body_id,
        "body_name": change.body_name,
    }
    return dataclasses.replace(
        record,
        level=change.level or record.level,
        expires_on=change.expires_on or record.expires_on,
        scope=change.scope if rescoped else record.scope,
        **decided,
        **(renewed if effect.renews else {}),
    )


def _told(certificate: Certificate, change: Change) -> dict[str, Any]:
    record = certificate.record
    return {
        "certificate_id": certificate.id,
        "number": record.number,
        "certificate_version": record.certificate_version,
        "level": record.level,
        "standard": record.standard,
        "audit_id": change.audit_id,
        "member_id": record.member_id,
        "member_name": record.member_name,
        "entity": record.entity,
        "body_id": change.body_id,
        "body_name": change.body_name,
        "scope_text": record.scope.text,
        "reasons": list(change.reasons),
        "effective_on": change.on,
        "expires_on": record.expires_on,
        "decided_by": change.by,
        "notify": change.notify,
    }
