"""Recipient resolution: who must be told of what, so that the events' order of arrival makes no difference.

An event is told to everyone who could be told on behalf of a concerned party when it happened. Where a party had nobody
then, it is told to the first who came along for it, whenever that was. Both are read off the moments that the events
carry, never off the moment when they arrive. What arrives late may therefore show that a notice was made for the wrong
person: one that has not been sent then becomes `not_due`.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice, NoticeState, notice_id
from notification.domain.recipients.contact import EMAIL, Arrival, Contact
from touchstone_contracts.values import Party


def who_must_be_told(
    contacts: Sequence[Contact], happened_at: datetime.datetime
) -> tuple[list[Contact], Arrival | None]:
    """Which of one party's contacts are told of what happened then.

    The second part of the answer is None if somebody could be told at that moment or if nobody came along since;
    otherwise it is the arrival of the first one.
    """
    present = [contact for contact in contacts if contact.reachable_at(happened_at)]
    if present:
        return present, None
    arrivals = (contact.arrival_after(happened_at) for contact in contacts)
    first = min((arrival for arrival in arrivals if arrival is not None), default=None)
    return [contact for contact in contacts if first is not None and contact.id == first[1]], first


@dataclasses.dataclass(frozen=True)
class Resolution:
    """What must be written so that the right people are told of an announcement; empty when all is as it should be."""

    announcement: Announcement | None = None
    due: Sequence[Notice] = ()
    """Notices to send: new ones, and ones that are due after all."""
    not_due: Sequence[Notice] = ()


def resolve(
    announcement: Announcement,
    contacts: Sequence[Contact],
    notices: Sequence[Notice],
    *,
    at: datetime.datetime,
    message_id_domain: str,
) -> Resolution:
    """Compare who must be told with the notices that there are. `contacts` are all that are known of its parties."""
    if not announcement.announced:
        return Resolution()
    told: dict[str, Contact] = {}
    nobody_until: dict[Party, Arrival | None] = {}
    for party in announcement.parties:
        of_party = [contact for contact in contacts if contact.party == party]
        chosen, first = who_must_be_told(of_party, announcement.at)
        told |= {contact.id: contact for contact in chosen}
        if first is not None or not chosen:
            nobody_until[party] = first
    existing = {notice.contact_id: notice for notice in notices}
    due = [_notice(announcement, c, at, message_id_domain) for c in told.values() if c.id not in existing]
    revived = _turned(existing.values(), NoticeState.NOT_DUE, NoticeState.PENDING, lambda n: n.contact_id in told)
    not_due = _turned(existing.values(), NoticeState.PENDING, NoticeState.NOT_DUE, lambda n: n.contact_id not in told)
    if not (due or revived or not_due) and nobody_until == announcement.nobody_until:
        return Resolution()
    changed = dataclasses.replace(announcement, nobody_until=nobody_until)
    return Resolution(changed, [*due, *revived], not_due)


def _turned(notices: Iterable[Notice], old: NoticeState, new: NoticeState, wanted: Any) -> list[Notice]:
    return [dataclasses.replace(notice, state=new) for notice in notices if notice.state is old and wanted(notice)]


def _notice(announcement: Announcement, contact: Contact, at: datetime.datetime, message_id_domain: str) -> Notice:
    id = notice_id(announcement.id, contact.id)
    return Notice(
        id=id,
        about=announcement.id,
        type=announcement.type,
        audit_id=announcement.audit_id,
        certificate_number=announcement.certificate_number,
        party=contact.party,
        contact_id=contact.id,
        language=contact.language,
        channel=EMAIL,
        created_at=at,
        message_id=f"<{id}@{message_id_domain}>",
    )
