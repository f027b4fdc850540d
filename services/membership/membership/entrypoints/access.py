"""On whose behalf a caller may act; decided before anything is looked up."""

from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Forbidden
from touchstone_contracts.roles import ASSESSOR, MEMBER
from touchstone_contracts.values import Party, PartyKind


def require_own_member(caller: Caller, member_id: str) -> None:
    require_own_party(caller, Party(kind=PartyKind.MEMBER, id=member_id))


def require_own_party(caller: Caller, party: Party) -> None:
    """A member acts for itself only, an assessor for its own body. Raises Forbidden."""
    own = {
        MEMBER: Party(kind=PartyKind.MEMBER, id=caller.member or ""),
        ASSESSOR: Party(kind=PartyKind.BODY, id=caller.cab or ""),
    }
    if caller.role in own and own[caller.role] != party:
        raise Forbidden(f"A caller with the role {caller.role} acts on behalf of its own party only.")
