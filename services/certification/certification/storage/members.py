"""What membership said of members, the newest word of each kind, in the database."""

import datetime
from typing import Any

from certification.domain.members import Member, MembershipStatus, Profile

COLLECTIONS = ("member_standings", "member_profiles")


class Members:
    def __init__(self, unit: Any):
        self._unit = unit

    def get(self, member_id: str) -> Member | None:
        """The member, if its membership was ever activated as far as is known here."""
        stored = self._unit.find_one("member_standings", {"_id": member_id})
        named = stored and (stored if "legal_name" in stored else self._profile(member_id))
        if not stored or not named:
            return None
        effective_on = datetime.date.fromisoformat(stored["effective_on"])
        return Member(
            profile=Profile(member_id=member_id, legal_name=named["legal_name"]),
            status=MembershipStatus(member_id=member_id, good=stored["good"], effective_on=effective_on),
        )

    def keep_activation(self, profile: Profile, status: MembershipStatus, sequence: int) -> None:
        """Both come with one word of the member's. While no later one is kept, its name is read with its status."""
        name = {"legal_name": profile.legal_name}
        self._unit.upsert_read_model("member_profiles", {"_id": profile.member_id, "sequence": sequence, **name})
        self._keep_status(status, sequence, name)

    def keep_status(self, status: MembershipStatus, sequence: int) -> None:
        self._keep_status(status, sequence, {})

    def _keep_status(self, status: MembershipStatus, sequence: int, name: dict[str, str]) -> None:
        state = {"good": status.good, "effective_on": status.effective_on.isoformat(), **name}
        self._unit.upsert_read_model("member_standings", {"_id": status.member_id, "sequence": sequence, **state})

    def _profile(self, member_id: str) -> dict[str, Any] | None:
        profile: dict[str, Any] | None = self._unit.find_one("member_profiles", {"_id": member_id})
        return profile
