"""Who calls: one role, and the party that it speaks for, as a token's claims say."""

import dataclasses
import json
from typing import Any

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
    issuer: str = ""

    @property
    def party(self) -> str | None:
        return self.cab or self.member

    @property
    def identity(self) -> str:
        """All of it as one text, the same for nobody else: another issuer's subject is somebody else, and so is whoever
        speaks for another party."""
        return json.dumps([self.issuer, self.subject, self.role, self.party], ensure_ascii=False)

    def __str__(self) -> str:
        """All of it, for people."""
        return f"{self.subject} ({', '.join(filter(None, (self.role, self.party, self.issuer)))})"


def is_name(value: Any) -> bool:
    """Whether it may name who calls, since names are kept, compared and shown: a line of visible characters with no
    blank around it."""
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() and value == value.strip()
