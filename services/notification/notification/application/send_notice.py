"""Sends a notice that is due, and marks what became of it."""

import datetime
from collections.abc import Mapping
from typing import Any

import structlog

from notification.application.send_again import not_outdated
from notification.channels import mail, smtp
from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice, NoticeState
from notification.domain.recipients.contact import Contact
from notification.rendering.templates import digest, render
from notification.storage.announcements import Announcements
from notification.storage.contacts import Contacts
from notification.storage.jobs import Jobs
from notification.storage.notices import Notices
from notification.storage.unit_of_work import Unit
from touchstone_chassis.api import declare_fault_points, fault_point

log = structlog.get_logger(__name__)

declare_fault_points(
    "notice_send",  # a notice is about to be sent
    "notice_mark",  # the mail server took it, and no record says so
)


class NoticeDelivery:
    def __init__(self, unit: Unit):
        self._unit = unit
        self._contacts, self._announcements = Contacts(unit), Announcements(unit)
        self._notices, self._jobs = Notices(unit), Jobs(unit)

    def send(self, id: str, *, clock: Any, settings: Mapping[str, Any], sent: smtp.SentMailCache) -> None:
        """`sent` holds the Message-IDs that the mail server took and that may not be marked yet."""
        notice = self._notices.get(id)
        if notice is None or notice.state is NoticeState.SENT:
            return
        if notice.state is not NoticeState.PENDING and notice.message_id not in sent:
            return
        self._unit.read_ahead(Contacts.query_of(notice.contact_id), Announcements.query_of(notice.about))
        contact = self._contacts.get(notice.contact_id)
        announcement = self._announcements.get(notice.about)
        if announcement is None:
            raise LookupError(f"{notice.id} has lost what it tells of")
        if contact is None or not (contact.reachable or notice.message_id in sent):
            notice.state = NoticeState.CANCELLED
            self._notices.save(notice)
            if contact is not None:
                self._look_again(notice, contact, clock.now())
            return
        self._deliver(notice, announcement, contact, clock, settings, sent)

    def _deliver(
        self,
        notice: Notice,
        announcement: Announcement,
        contact: Contact,
        clock: Any,
        settings: Mapping[str, Any],
        sent: smtp.SentMailCache,
    ) -> None:
        subject, body, language = render(notice, announcement, contact, register_url=settings["register_url"])
        outcome: smtp.Outcome = smtp.Taken()
        if notice.message_id not in sent:
            try:
                made = mail.make_mail(notice, contact, subject, body, language, settings=settings, at=clock.now())
            except mail.AddressUnusable as error:
                outcome = smtp.Refused(None, str(error))
            else:
                fault_point("notice_send")
                outcome = smtp.send_within(made, settings["smtp"])
                fault_point("notice_mark")
        now = clock.now()
        if isinstance(outcome, smtp.Taken):
            sent.add(notice.message_id)
            self._notices.save(notice, notice.taken(at=now, language=language, body_sha256=digest(body)))
            return
        if isinstance(outcome, smtp.Refused):
            notice.refused(outcome.reply_code, outcome.error)
        else:
            delay = notice.put_off(outcome.reply_code, outcome.error, settings["retry_delays_s"])
            if delay is not None:
                self._jobs.send(notice, due_at=now + delay)
        self._notices.save(notice)
        if notice.state is not NoticeState.PENDING:
            self._look_again(notice, contact, now)
        log.warning("notice_not_sent", notice_id=notice.id, state=notice.state.value, reply_code=notice.reply_code)

    def _look_again(self, notice: Notice, contact: Contact, now: datetime.datetime) -> None:
        self._jobs.send_again_if_mended(notice, contact, due_at=now, after=not_outdated(now))
