"""Whose audits a caller may see."""

from assessment.domain.audits.audit import Audit
from assessment.storage.audits import Audits
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import NotFound
from touchstone_contracts.roles import ASSESSOR, MEMBER


def visible_audit(audits: Audits, id: str, caller: Caller) -> Audit:
    """The audit, if the caller may see it: a body and a member see their own. Raises NotFound."""
    audit = audits.get(id)
    own = {ASSESSOR: ("body_id", caller.cab), MEMBER: ("member_id", caller.member)}.get(caller.role)
    if audit is None or (own is not None and getattr(audit.summary, own[0]) != own[1]):
        raise NotFound(f"There is no audit {id!r} that you may see.")
    return audit
