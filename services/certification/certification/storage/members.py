"""What membership said of members, the newest word of each kind, in the database.

`members` holds what records say. `member_standings` and `member_profiles` hold what stories say, for a membership of
0.1, which tells no records, and for certification of 0.1, which reads them. Both go when 0.1 is gone.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from certification.domain.members import Member, MembershipStatus, Profile
from certification.storage.unit_of_work import Question

COLLECTIONS = ("members", "member_standings", "member_profiles")


class Members:
    def __init__(self, unit: Any):
        self._unit = unit

    @staticmethod
    def queries_of(member_id: str) -> list[Question]:
        """What `get` always reads."""
        return [(kept, {"_id": member_id}, None, 1) for kept in ("members", "member_standings")]

    def get(self, member_id: str) -> Member | None:
        """The member, if its membership was ever activated as far as is known here.

        Of a record and a story the newer one counts; those of one change say the same, and the record says all of it.
        """
        recorded = self._unit.find_one("members", {"_id": member_id})
        told = self._unit.find_one("member_standings", {"_id": member_id})
        if told is None or (recorded and recorded["sequence"] >= told["sequence"]):
            return _member(recorded, recorded) if recorded else None
        named = told if "legal_name" in told else recorded or self._profile(member_id)
        return _member(told, named) if named else None

    def keep(self, member: Member, sequence: int) -> None:
        """What a record says of a member."""
        name = {"legal_name": member.profile.legal_name, "member_class": member.profile.member_class}
        document = {"_id": member.profile.member_id, "sequence": sequence, **_standing(member.status), **name}
        self._unit.upsert_read_model("members", document)

    def keep_activation(self, profile: Profile, status: MembershipStatus, sequence: int) -> None:
        """Both come with one word of the member's. While no later one is kept, its name is read with its status."""
        name = {"legal_name": profile.legal_name}
        self._unit.upsert_read_model("member_profiles", {"_id": profile.member_id, "sequence": sequence, **name})
        self._keep_status(status, sequence, name)

    def keep_status(self, status: MembershipStatus, sequence: int) -> None:
        self._keep_status(status, sequence, {})

    def _keep_status(self, status: MembershipStatus, sequence: int, name: dict[str, str]) -> None:
        document = {"_id": status.member_id, "sequence": sequence, **_standing(status), **name}
        self._unit.upsert_read_model("member_standings", document)

    def _profile(self, member_id: str) -> dict[str, Any] | None:
        profile: dict[str, Any] | None = self._unit.find_one("member_profiles", {"_id": member_id})
        return profile


def _standing(status: MembershipStatus) -> dict[str, Any]:
    return {"good": status.good, "effective_on": status.effective_on.isoformat()}


def _member(standing: Mapping[str, Any], named: Mapping[str, Any]) -> Member:
    member_id, effective_on = standing["_id"], datetime.date.fromisoformat(standing["effective_on"])
    return Member(
        profile=Profile(
            member_id=member_id,
            legal_name=named["legal_name"],
            member_class=named.get("member_class"),  # stories and earlier releases say none
        ),
        status=MembershipStatus(member_id=member_id, good=standing["good"], effective_on=effective_on),
        sequence=standing["sequence"],
    )
