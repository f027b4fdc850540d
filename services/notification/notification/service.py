"""The notification service: its entrypoints."""

import datetime
from typing import Any

import eventlet
import structlog

from notification import answers, mailer, process, rendering, schemas
from notification.domain import Announcement, Contact, Notice, NoticeState, Standing
from notification.reconciliation import COMPARABLE
from notification.store import CATCH_UP, CHECK_ANNOUNCEMENT, SEND_NOTICE, Announcements, Contacts, Notices, position
from notification.topology import INDEXES
from notification.waiting import UNDELIVERED_SHOWN, waiting_for_contact, waiting_notices
from touchstone_chassis.api import (
    Job,
    OperatorApi,
    Settings,
    Stored,
    declare_fault_points,
    fault_point,
    on_event,
    on_job,
    query,
)
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.errors import Forbidden, NotFound
from touchstone_contracts.events.certification import (
    CertificateExpired,
    CertificateIssued,
    CertificationHeld,
    CertificationRefused,
)
from touchstone_contracts.events.membership import ContactChanged
from touchstone_contracts.pending_work import ListUnfinished
from touchstone_contracts.roles import ASSESSOR, FOLLOWERS, MEMBER, OPERATOR, REGISTRAR, SECRETARIAT
from touchstone_contracts.values import Party, PartyKind

log = structlog.get_logger(__name__)

declare_fault_points(
    "notice_record",  # a notice was made and is not committed
    "notice_send",  # a notice is about to be sent
    "notice_mark",  # the mail server took it, and no record says so
)

_READERS = (SECRETARIAT, REGISTRAR, OPERATOR, ASSESSOR, MEMBER)


class NotificationService(OperatorApi):
    """Tells the member, the body and the Secretariat what became of a certification."""

    name = "notification"
    indexes = INDEXES
    reconciliation = COMPARABLE

    settings = Settings(schemas.SettingsSchema())
    contacts = Stored(Contacts)
    announcements = Stored(Announcements)
    notices = Stored(Notices)

    sent_mail_cache = mailer.SentMailCache()  # of the process: nameko makes an instance of the class for each worker

    @on_event(ContactChanged)
    def learn_contact(self, event: ContactChanged, envelope: Envelope) -> None:
        contact = process.learn(self.contacts.get(event.contact_id), event, envelope)
        if contact is None:
            return
        self.contacts.save(contact)
        # Only after this commit is it certain that an event which does not see the contact yet will be seen itself.
        self.contacts.catch_up_later(contact.id, contact.standings[-1], due_at=self.clock.now())

    @on_event(CertificateIssued)
    def announce_issue(self, event: CertificateIssued, envelope: Envelope) -> None:
        self._announce(event, envelope)

    @on_event(CertificationRefused)
    def announce_refusal(self, event: CertificationRefused, envelope: Envelope) -> None:
        self._announce(event, envelope)

    @on_event(CertificationHeld)
    def announce_hold(self, event: CertificationHeld, envelope: Envelope) -> None:
        self._announce(event, envelope)

    @on_event(CertificateExpired)
    def announce_expiry(self, event: CertificateExpired, envelope: Envelope) -> None:
        self._announce(event, envelope)

    @on_job(CHECK_ANNOUNCEMENT)
    def check_announcement(self, deadline: Job) -> None:
        """Look at an announcement once more: a contact may have been stored while it was."""
        if self.contacts.as_in(deadline.payload):
            return
        announcement = self.announcements.get(deadline.key)
        if announcement is not None:
            self._settle(announcement)

    @on_job(CATCH_UP)
    def catch_up(self, deadline: Job) -> None:
        """Look again at what happened before a change of a contact came to our knowledge, a batch at a time."""
        payload, limit, now = deadline.payload, self.settings["batch"], self.clock.now()
        contact = self.contacts.get(payload["contact_id"])
        if contact is None:
            return
        at = datetime.datetime.fromisoformat(payload["at"])
        standing = Standing(sequence=payload["sequence"], at=at, reachable=payload["reachable"])
        if standing.reachable:
            earlier = self.announcements.told_to_nobody_before(contact.party, (at, contact.id), limit=limit)
            if earlier:
                for announcement in earlier:
                    self._settle(announcement)
                self.contacts.catch_up_later(contact.id, standing, due_at=now, after=payload["after"])
                return
        since = self.announcements.since(contact.party, at, after=payload["after"], limit=limit)
        for announcement in since:
            self._settle(announcement)
        if len(since) == limit:
            self.contacts.catch_up_later(contact.id, standing, due_at=now, after=position(since[-1]))

    @on_job(SEND_NOTICE)
    def send_notice(self, deadline: Job) -> None:
        """Send a notice that is due, and mark what became of it."""
        notice = self.notices.get(deadline.key)
        if notice is None or notice.state is NoticeState.SENT:
            return
        if notice.state is not NoticeState.PENDING and notice.message_id not in self.sent_mail_cache:
            return
        contact = self.contacts.get(notice.contact_id)
        announcement = self.announcements.get(notice.about)
        if announcement is None:
            raise LookupError(f"{notice.id} has lost what it tells of")
        if contact is None or not (contact.reachable or notice.message_id in self.sent_mail_cache):
            notice.state = NoticeState.CANCELLED
            self.notices.save(notice)
            return
        self._deliver(notice, announcement, contact)

    @query(schemas.GetNotice(), roles=_READERS)
    def get_notice(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """One notice. NotFound for one that the caller's party was not sent."""
        notice = self.notices.get(request["notice_id"])
        own = _own_party(caller)
        if notice is None or own not in (None, notice.party):
            raise NotFound(f"There is no notice by the id {request['notice_id']}.")
        return answers.notice(notice, self.contacts.get(notice.contact_id))

    @query(schemas.ListNotices(), roles=_READERS)
    def list_notices(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Notices in the order in which they were made; a body and a member see their own."""
        own, limit = _own_party(caller), request["limit"]
        wanted = Party(**request["party"]) if request["party"] else None
        if own and wanted and own != wanted:
            raise Forbidden("A caller who speaks for one party sees the notices of that party only.")
        found = self.notices.page(
            audit_id=request["audit_id"],
            party=own or wanted,
            state=request["state"],
            limit=limit + 1,
            after=request["after"],
        )
        shown = found[:limit]
        contacts = self.contacts.by_id(notice.contact_id for notice in shown)
        return {
            "items": [answers.notice(notice, contacts.get(notice.contact_id)) for notice in shown],
            "next": position(shown[-1]) if len(found) > limit else None,
        }

    @query(ListUnfinished(), roles=FOLLOWERS)
    def list_unfinished(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Notices that are not sent, and what nobody can be told of for some party; first the one, then the other."""
        limit, after = request["limit"], request["after"] or "notices/"
        kind, _, place = after.partition("/")
        if kind == "announcements":
            untold = self.announcements.without_anybody(audit_id=request["case"], limit=limit, after=place)
            items = [line for announcement in untold for line in waiting_for_contact(announcement)]
            more = f"announcements/{position(untold[-1])}" if len(untold) == limit else None
        else:
            since = self.clock.now() - UNDELIVERED_SHOWN
            notices = self.notices.unfinished(audit_id=request["case"], given_up_since=since, limit=limit, after=place)
            items = waiting_notices((notice, self.trail.next_due((SEND_NOTICE,), notice.id)) for notice in notices)
            more = f"notices/{position(notices[-1])}" if len(notices) == limit else "announcements/"
        return {"items": [line.as_dict() for line in items], "next": more}

    def job_details(self, kind: str, key: str) -> dict[str, Any]:
        notice = self.notices.get(key) if kind == SEND_NOTICE else None
        return {"case": notice.audit_id if notice else None}

    def _announce(self, event: process.CertificateEvent, envelope: Envelope) -> None:
        if self.announcements.is_repeated(envelope.id):
            return
        announcement = process.announcement_of(event, envelope)
        if not announcement.announced:
            self.announcements.save(announcement)
            return
        contacts = self._settle(announcement)
        after = datetime.timedelta(seconds=self.settings["check_after_s"])
        self.announcements.check_later(announcement, contacts, due_at=self.clock.now() + after)

    def _settle(self, announcement: Announcement) -> list[Contact]:
        """Save what must be written so that the right people are told. Answers the contacts that this rests on."""
        now, contacts = self.clock.now(), self.contacts.of(announcement.parties)
        settlement = process.settle(
            announcement,
            contacts,
            self.notices.about(announcement.id) if announcement.version else [],
            at=now,
            message_id_domain=self.settings["message_id_domain"],
        )
        if settlement.announcement is None:
            return contacts
        self.announcements.save(settlement.announcement)
        for notice in settlement.due:
            self.notices.save(notice)
            self.notices.send_later(notice, due_at=now)
            fault_point("notice_record")
        for notice in settlement.not_due:
            self.notices.save(notice)
            self.notices.send_never(notice)
        return contacts

    def _deliver(self, notice: Notice, announcement: Announcement, contact: Contact) -> None:
        subject, body, language = rendering.render(
            notice, announcement, contact, register_url=self.settings["register_url"]
        )
        outcome: mailer.Outcome = mailer.Taken()
        if notice.message_id not in self.sent_mail_cache:
            mail = rendering.mail(notice, contact, subject, body, language, settings=self.settings, at=self.clock.now())
            fault_point("notice_send")
            outcome = _send_within(mail, self.settings["smtp"])
            fault_point("notice_mark")
        self._mark(notice, outcome, language, rendering.digest(body))

    def _mark(self, notice: Notice, outcome: mailer.Outcome, language: str, digest: str) -> None:
        now = self.clock.now()
        if isinstance(outcome, mailer.Taken):
            self.sent_mail_cache.add(notice.message_id)
            self.notices.save(notice, notice.taken(at=now, language=language, body_sha256=digest))
            return
        if isinstance(outcome, mailer.Refused):
            notice.refused(outcome.reply_code, outcome.error)
        else:
            delay = notice.put_off(outcome.reply_code, outcome.error, self.settings["retry_delays_s"])
            if delay is not None:
                self.notices.send_later(notice, due_at=now + delay)
        self.notices.save(notice)
        log.warning("notice_not_sent", notice_id=notice.id, state=notice.state.value, reply_code=notice.reply_code)


def _send_within(mail: Any, smtp: dict[str, Any]) -> mailer.Outcome:
    """Send, but never for longer than a deadline stays claimed: another replica would send it too."""
    try:
        with eventlet.Timeout(smtp["exchange_s_max"], mailer.MailServerTooSlow):
            return mailer.send(mail, smtp)
    except mailer.MailServerTooSlow:
        return mailer.PutOff(None, f"The mail server took longer than {smtp['exchange_s_max']:g} s.")


def _own_party(caller: Caller) -> Party | None:
    """The one party whose notices the caller may see; None for callers who may see all."""
    if caller.role == MEMBER:
        return Party(kind=PartyKind.MEMBER, id=caller.member or "")
    if caller.role == ASSESSOR:
        return Party(kind=PartyKind.BODY, id=caller.cab or "")
    return None
