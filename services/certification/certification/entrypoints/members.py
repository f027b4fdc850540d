"""What membership announces of members: kept as the newest word, and whoever waited for it is woken."""

from typing import Any

from certification.application.translation import member_of, membership_status_of, profile_of
from certification.domain.members import MembershipStatus
from certification.storage.jobs import Jobs
from certification.storage.members import Members
from touchstone_chassis.api import Stored, on_event
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.membership import (
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    OrganisationRecorded,
)


class MemberEntrypoints:
    """The handlers of stories are there for a membership of 0.1, which tells no records: they go when it is gone."""

    clock: Any
    members = Stored(Members)
    jobs = Stored(Jobs)

    @on_event(OrganisationRecorded, handler="keep_member", copies=True)
    def keep_member(self, event: OrganisationRecorded, envelope: Envelope) -> None:
        member = member_of(event)
        if member is not None:  # nobody waits for an organisation that was only entered
            self.members.keep(member, envelope.sequence)
            self._wake(event.member_id)

    @on_event(MembershipActivated, handler="note_activation", copies=True)
    def note_activation(self, event: MembershipActivated, envelope: Envelope) -> None:
        self.members.keep_activation(profile_of(event), membership_status_of(event), envelope.sequence)
        self._wake(event.member_id)

    @on_event(MembershipSuspended, handler="note_suspension", copies=True)
    def note_suspension(self, event: MembershipSuspended, envelope: Envelope) -> None:
        self._keep(membership_status_of(event), envelope.sequence)

    @on_event(MembershipReinstated, handler="note_reinstatement", copies=True)
    def note_reinstatement(self, event: MembershipReinstated, envelope: Envelope) -> None:
        self._keep(membership_status_of(event), envelope.sequence)

    def _keep(self, status: MembershipStatus, sequence: int) -> None:
        self.members.keep_status(status, sequence)
        self._wake(status.member_id)

    def _wake(self, member_id: str) -> None:
        """After each word: a story and a record of one change come in any order, and the later one may be the newer."""
        self.jobs.wake({"member_id": member_id}, at=self.clock.now())
