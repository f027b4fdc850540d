"""Looks again at what happened before a change of a contact came to our knowledge, a batch at a time."""

import datetime
from collections.abc import Mapping
from typing import Any

from notification.application.recipient_resolution import RecipientResolution
from notification.domain.notices.announcement import Announcement
from notification.domain.recipients.contact import ReachabilityChange
from notification.storage.announcements import Announcements
from notification.storage.contacts import Contacts
from notification.storage.jobs import Jobs
from notification.storage.unit_of_work import Unit
from notification.storage.values import position


class ContactCatchUp:
    def __init__(self, unit: Unit):
        self._announcements, self._contacts, self._jobs = Announcements(unit), Contacts(unit), Jobs(unit)
        self._recipients = RecipientResolution(unit)

    def look_again(self, payload: Mapping[str, Any], *, now: datetime.datetime, settings: Mapping[str, Any]) -> None:
        """`payload` is what `Jobs.catch_up` set: the change, and behind which position to go on."""
        contact, limit = self._contacts.get(payload["contact_id"]), settings["batch"]
        if contact is None:
            return
        at = datetime.datetime.fromisoformat(payload["at"])
        change = ReachabilityChange(sequence=payload["sequence"], at=at, reachable=payload["reachable"])
        if change.reachable:
            earlier = self._announcements.told_to_nobody_before(contact.party, (at, contact.id), limit=limit)
            if earlier:
                self._resolve(earlier, now, settings)
                self._jobs.catch_up(contact.id, change, due_at=now, after=payload["after"])
                return
        since = self._announcements.since(contact.party, at, after=payload["after"], limit=limit)
        self._resolve(since, now, settings)
        if len(since) == limit:
            self._jobs.catch_up(contact.id, change, due_at=now, after=position(since[-1]))

    def _resolve(self, found: list[Announcement], now: datetime.datetime, settings: Mapping[str, Any]) -> None:
        for announcement in found:
            self._recipients.resolve(announcement, now=now, message_id_domain=settings["message_id_domain"])
