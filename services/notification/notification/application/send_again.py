"""Sends again what did not go out: on somebody's word, and by itself when the contact was mended."""

import datetime
from collections.abc import Mapping
from typing import Any

from notification.domain.notices.notice import OUTDATED, Notice, NoticeState
from notification.domain.recipients.contact import Contact
from notification.storage.contacts import Contacts
from notification.storage.jobs import Jobs
from notification.storage.notices import Notices
from notification.storage.unit_of_work import Unit
from notification.storage.values import moment_text, position
from touchstone_contracts.errors import IllegalTransition, NotFound


class SendingAgain:
    def __init__(self, unit: Unit):
        self._contacts, self._notices, self._jobs = Contacts(unit), Notices(unit), Jobs(unit)

    def one(self, notice_id: str, *, now: datetime.datetime) -> Notice:
        """One notice, unless it is about to be sent. Raises NotFound, IllegalTransition."""
        notice = self._notices.get(notice_id)
        if notice is None:
            raise NotFound(f"There is no notice by the id {notice_id}.")
        self._reachable(notice.contact_id)
        if notice.state is not NoticeState.PENDING or notice.attempts:
            self._again(notice, now)
        return notice

    def of_contact(self, contact_id: str, *, now: datetime.datetime, after: str, limit: int) -> list[Notice]:
        """What did not go out to that contact, however old, behind the position `after`. Raises as `one`."""
        contact = self._reachable(contact_id)
        found = self._notices.not_delivered_to(contact.id, after=after, limit=limit)
        for notice in found:
            self._again(notice, now)
        return found

    def mended(self, payload: Mapping[str, Any], *, now: datetime.datetime, limit: int) -> None:
        """What did not go out to a contact that was mended, a batch at a time. `payload` is what `Jobs` set."""
        contact = self._contacts.get(payload["contact_id"])
        if contact is None or not contact.reachable or contact.version == payload.get("unless_version"):
            return
        found = self._notices.not_delivered_to(contact.id, after=payload["after"], limit=limit)
        for notice in found:
            self._again(notice, now)
        if len(found) == limit:
            self._jobs.send_again(contact, due_at=now, after=position(found[-1]))

    def _reachable(self, contact_id: str) -> Contact:
        contact = self._contacts.get(contact_id)
        if contact is None:
            raise NotFound(f"There is no contact {contact_id} here.")
        if not contact.reachable:
            raise IllegalTransition(
                f"{contact_id} is not to be told: activate the contact, or give it a channel, first."
            )
        return contact

    def _again(self, notice: Notice, now: datetime.datetime) -> None:
        notice.again()
        self._notices.save(notice)
        self._jobs.send(notice, due_at=now)


def not_outdated(now: datetime.datetime) -> str:
    """The position behind which notices are sent again by themselves."""
    return moment_text(now - OUTDATED)
