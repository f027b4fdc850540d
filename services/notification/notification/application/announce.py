"""Announces an event that people are told of, and looks at it once more after a while."""

import datetime
from collections.abc import Mapping
from typing import Any

from notification.application.recipient_resolution import RecipientResolution
from notification.domain.notices.announcement import Announcement
from notification.storage.announcements import Announcements
from notification.storage.contacts import Contacts
from notification.storage.jobs import Jobs
from notification.storage.unit_of_work import Unit


class EventAnnouncement:
    def __init__(self, unit: Unit):
        self._announcements, self._contacts, self._jobs = Announcements(unit), Contacts(unit), Jobs(unit)
        self._recipients = RecipientResolution(unit)

    def announce(self, announcement: Announcement, *, now: datetime.datetime, settings: Mapping[str, Any]) -> None:
        """Record whom it is told, once, however often the event comes."""
        if self._announcements.is_repeated(announcement.id):
            return
        if not announcement.announced:
            self._announcements.save(announcement)
            return
        domain, after_s = settings["message_id_domain"], settings["check_after_s"]
        contacts = self._recipients.resolve(announcement, now=now, message_id_domain=domain)
        self._jobs.check(announcement, contacts, due_at=now + datetime.timedelta(seconds=after_s))

    def check(
        self, id: str, payload: Mapping[str, Any], *, now: datetime.datetime, settings: Mapping[str, Any]
    ) -> None:
        """Look once more: a contact may have been stored while the announcement was. `payload` is what was set then."""
        if self._contacts.as_in(payload):
            return
        announcement = self._announcements.get(id)
        if announcement is not None:
            self._recipients.resolve(announcement, now=now, message_id_domain=settings["message_id_domain"])
