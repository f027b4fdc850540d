"""What certification knows of a member: its name, and its membership status on a day."""

import dataclasses
import datetime


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
    """Whose membership was activated once; who was only entered is none."""

    profile: Profile
    status: MembershipStatus
