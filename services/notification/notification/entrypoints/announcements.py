"""Events that people are told of; which ones, the notice rules say."""

from typing import Any

from notification.application.announce import EventAnnouncement
from notification.application.translation import announcement_of
from notification.data.notice_rules import ANNOUNCED
from notification.storage.jobs import CHECK_ANNOUNCEMENT
from touchstone_chassis.api import Job, Stored, on_event, on_job
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.certification import (
    CertificateExpired,
    CertificateIssued,
    CertificationHeld,
    CertificationRefused,
)

FORMERLY = {
    CertificateIssued: "announce_issue",
    CertificationRefused: "announce_refusal",
    CertificationHeld: "announce_hold",
    CertificateExpired: "announce_expiry",
}
"""Events that had handlers of their own; what these handled is known by their names."""


class AnnouncementEntrypoints:
    settings: Any
    clock: Any
    event_announcement = Stored(EventAnnouncement)

    @on_event(*ANNOUNCED, handler="announce", formerly=FORMERLY)
    def announce(self, event: Any, envelope: Envelope) -> None:
        announcement = announcement_of(event, envelope)
        self.event_announcement.announce(announcement, now=self.clock.now(), settings=self.settings)

    @on_job(CHECK_ANNOUNCEMENT)
    def check_announcement(self, job: Job) -> None:
        self.event_announcement.check(job.key, job.payload, now=self.clock.now(), settings=self.settings)
