"""Which of an entity's open certificates an audit is about, and which other one stands over the same facilities."""

from collections.abc import Sequence
from typing import NamedTuple

from certification.domain.audits import Audit
from certification.domain.certificates.certificate import Certificate
from certification.domain.certificates.record import scope_key
from touchstone_contracts.values import AuditType, Scope


class Concerned(NamedTuple):
    held: Certificate | None = None
    beside: Certificate | None = None


def concerned(audit: Audit, certificates: Sequence[Certificate]) -> Concerned:
    """`certificates` are the open ones of the audit's entity and standard.

    The one of the same scope, else the first that shares a facility with it; at a change of scope also the only one of
    its type there is, since what is audited then is the scope as it is to be. Imported history meets the same scope
    only: what was certified beside it in the past is no matter of today.
    """
    ordered = sorted(certificates, key=lambda one: one.record.number)
    same = [one for one in ordered if scope_key(one.record.scope) == scope_key(audit.scope)]
    if audit.history is not None:
        return Concerned(held=next(iter(same), None))
    near = [one for one in ordered if one not in same and _share(one.record.scope, audit.scope)]
    alike = [one for one in ordered if one.record.scope.type == audit.scope.type]
    if not (same or near) and audit.audit_type is AuditType.SCOPE_CHANGE and len(alike) == 1:
        return Concerned(held=alike[0])
    found = [*same, *near]
    return Concerned(held=next(iter(found), None), beside=next(iter(found[1:]), None))


def _share(one: Scope, other: Scope) -> bool:
    return not {place.id for place in one.facilities}.isdisjoint(place.id for place in other.facilities)
