"""Who calls: one role, and the party that it speaks for, as a token's claims say."""

import dataclasses

from touchstone_contracts import roles

PARTY_CLAIMS = {roles.ASSESSOR: "cab", roles.MEMBER: "member"}
"""By role, the claim that names the one party which a caller in it speaks for; the others speak for the scheme."""


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who calls, in one role; `cab` is the certification body of an assessor, `member` the organisation of a member."""

    subject: str
    role: str
    cab: str | None = None
    member: str | None = None
