"""Notices: sent when they are due, and shown without an address."""

from typing import Any

from notification.application.send_again import SendingAgain
from notification.application.send_notice import NoticeDelivery
from notification.channels.smtp import SentMailCache
from notification.presenters import notices as present
from notification.schemas.notices import GetNotice, ListNotices, SendNoticesAgain
from notification.storage.contacts import Contacts
from notification.storage.jobs import SEND_AGAIN, SEND_NOTICE
from notification.storage.notices import Notices
from notification.storage.values import position
from touchstone_chassis.api import Job, Stored, command, on_job, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Forbidden, NotFound
from touchstone_contracts.roles import ASSESSOR, MEMBER, OPERATOR, REGISTRAR, SECRETARIAT
from touchstone_contracts.values import Party, PartyKind

_READERS = (SECRETARIAT, REGISTRAR, OPERATOR, ASSESSOR, MEMBER)


class NoticeEntrypoints:
    settings: Any
    clock: Any
    contacts = Stored(Contacts)
    notices = Stored(Notices)
    notice_delivery = Stored(NoticeDelivery)
    sending_again = Stored(SendingAgain)

    sent_mail_cache = SentMailCache()  # of the process: nameko makes an instance of the class for each worker

    @on_job(SEND_NOTICE)
    def send_notice(self, job: Job) -> None:
        self.notice_delivery.send(job.key, clock=self.clock, settings=self.settings, sent=self.sent_mail_cache)

    @on_job(SEND_AGAIN)
    def send_again(self, job: Job) -> None:
        self.sending_again.mended(job.payload, now=self.clock.now(), limit=self.settings["batch"])

    @command(SendNoticesAgain(), roles=(REGISTRAR, OPERATOR))
    def send_notices_again(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Have one notice, or what did not go out to a contact, sent from the first try on. Answers those notices."""
        now, limit, further = self.clock.now(), request["limit"], None
        if request["notice_id"]:
            found = [self.sending_again.one(request["notice_id"], now=now)]
        else:
            asked = {"after": request["after"] or "", "limit": limit}
            found = self.sending_again.of_contact(request["contact_id"], now=now, **asked)
            further = position(found[-1]) if len(found) == limit else None
        contacts = self.contacts.by_id(notice.contact_id for notice in found)
        return {"items": [present.notice(notice, contacts.get(notice.contact_id)) for notice in found], "next": further}

    @query(GetNotice(), roles=_READERS)
    def get_notice(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """One notice. NotFound for one that the caller's party was not sent."""
        notice = self.notices.get(request["notice_id"])
        own = _own_party(caller)
        if notice is None or own not in (None, notice.party):
            raise NotFound(f"There is no notice by the id {request['notice_id']}.")
        return present.notice(notice, self.contacts.get(notice.contact_id))

    @query(ListNotices(), roles=_READERS)
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
        contacts = self.contacts.by_id(notice.contact_id for notice in found[:limit])
        return page(found, limit, lambda notice: present.notice(notice, contacts.get(notice.contact_id)), position)


def _own_party(caller: Caller) -> Party | None:
    """The one party whose notices the caller may see; None for callers who may see all."""
    if caller.role == MEMBER:
        return Party(kind=PartyKind.MEMBER, id=caller.member or "")
    if caller.role == ASSESSOR:
        return Party(kind=PartyKind.BODY, id=caller.cab or "")
    return None
