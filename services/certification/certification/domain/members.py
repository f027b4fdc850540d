"""What certification knows of a member: its name, and its membership status on a day."""

import dataclasses
import datetime

from touchstone_contracts.values import PinnedMember

REGISTERED, ACTIVE = "registered", "active"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """Who the member is; known since its membership was first activated.

    `member_class` is None where only 0.1 told of it.
    """

    member_id: str
    legal_name: str
    member_class: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MembershipStatus:
    """In good standing or not, from `effective_on`; the day before it was the other way round."""

    member_id: str
    good: bool
    effective_on: datetime.date

    def good_on(self, day: datetime.date) -> bool:
        return self.good if day >= self.effective_on else not self.good


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """Whose membership was activated once; who was only entered is none. `sequence`: which word of it says so."""

    profile: Profile
    status: MembershipStatus
    sequence: int = 0


def member_for(member_id: str, pinned: PinnedMember | None, known: Member | None) -> Member | None:
    """The member by which an audit is decided: as acceptance pinned it, whatever has come since.

    Only good standing that was missing then may be brought later: an audit waits for it. Without a pin it is the member
    as it is known here.
    """
    if pinned is None:
        return known
    if pinned.state != ACTIVE and known is not None and known.sequence > pinned.sequence:
        return known
    if pinned.state == REGISTERED:
        return None
    profile = Profile(member_id=member_id, legal_name=pinned.legal_name, member_class=pinned.member_class)
    good = pinned.state == ACTIVE
    status = MembershipStatus(member_id=member_id, good=good, effective_on=pinned.effective_on)
    return Member(profile=profile, status=status, sequence=pinned.sequence)
