"""Saves what must be written so that the right people are told of an announcement."""

import datetime

from notification.domain.notices.announcement import Announcement
from notification.domain.notices.resolution import resolve
from notification.domain.recipients.contact import Contact
from notification.storage.announcements import Announcements
from notification.storage.contacts import Contacts
from notification.storage.jobs import Jobs
from notification.storage.notices import Notices
from notification.storage.unit_of_work import Unit
from touchstone_chassis.api import declare_fault_points, fault_point

declare_fault_points("notice_record")  # a notice was made and is not committed


class RecipientResolution:
    def __init__(self, unit: Unit):
        self._contacts, self._announcements = Contacts(unit), Announcements(unit)
        self._notices, self._jobs = Notices(unit), Jobs(unit)

    def resolve(self, announcement: Announcement, *, now: datetime.datetime, message_id_domain: str) -> list[Contact]:
        """Compare who must be told with the notices that there are. Answers the contacts that this rests on."""
        contacts = self._contacts.of(announcement.parties)
        resolution = resolve(
            announcement,
            contacts,
            self._notices.about(announcement.id) if announcement.version else [],
            at=now,
            message_id_domain=message_id_domain,
        )
        if resolution.announcement is None:
            return contacts
        self._announcements.save(resolution.announcement)
        for notice in resolution.due:
            self._notices.save(notice)
            self._jobs.send(notice, due_at=now)
            fault_point("notice_record")
        for notice in resolution.not_due:
            self._notices.save(notice)
            self._jobs.send_never(notice)
        return contacts
