"""What a notice that was not sent, or a party that nobody can be told for, waits for; in words for whoever must act."""

import datetime
from collections.abc import Iterable

from notification.data.notice_rules import RULES
from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice, NoticeState
from touchstone_contracts.pending_work import Waiting

_CONTACTS_NAMED_MAX = 3


def unsent_notices(notices: Iterable[tuple[Notice, datetime.datetime | None]]) -> list[Waiting]:
    """For notices that are pending, failed or dead, each with the moment of its next try.

    Those that wait in the same way about the same thing are one line.
    """
    groups: dict[tuple[object, ...], list[tuple[Notice, datetime.datetime | None]]] = {}
    for notice, next_try in notices:
        key = (notice.about, notice.state, notice.attempts > 0, notice.last_error)
        groups.setdefault(key, []).append((notice, next_try))
    return [_waiting(group) for group in groups.values()]


def without_recipient(announcement: Announcement) -> list[Waiting]:
    """One for each party of an announcement that nobody can be told for."""
    told = RULES[announcement.type].about if announcement.type in RULES else announcement.type
    return [
        Waiting(
            case=announcement.audit_id,
            certificate_number=announcement.certificate_number,
            state="nobody to tell",
            since=announcement.at,
            waits_for=f"a contact of {party.kind.value} {party.id}: nobody there can be told of {told}",
            who="registrar",
        )
        for party, arrival in announcement.nobody_until.items()
        if arrival is None
    ]


def _waiting(group: list[tuple[Notice, datetime.datetime | None]]) -> Waiting:
    notice = group[0][0]
    tries = max(one.attempts for one, _ in group)
    next_try = min((due for _, due in group if due is not None), default=None)
    named, error = _named([one for one, _ in group]), notice.last_error or "no answer"
    who: str | None
    if notice.state is NoticeState.FAILED:
        state, who = "notice refused", "registrar"
        text = f"a right address of {named}: the mail server refused it for good ({error})"
    elif notice.state is NoticeState.DEAD:
        state, who = "notice given up", "operator"
        text = f"somebody who has the mail to {named} sent again: {tries} tries, the last answer was {error}"
    elif not notice.attempts:
        return _line(notice, "notice pending", f"the mail to {named} to be sent", None, next_try)
    else:
        state, who = "notice pending", "operator" if tries > 1 else None
        due = f", next at {next_try:%Y-%m-%d %H:%M:%S}" if next_try else ""
        text = f"the mail server to take the mail to {named}: {error}; try {tries + 1}{due}"
    return _line(notice, state, text, who, next_try)


def _line(notice: Notice, state: str, text: str, who: str | None, until: datetime.datetime | None) -> Waiting:
    return Waiting(
        case=notice.audit_id,
        certificate_number=notice.certificate_number,
        state=state,
        since=notice.created_at,
        waits_for=text,
        who=who,
        until=until,
    )


def _named(notices: list[Notice]) -> str:
    """Contacts by their ids: `a, b, c and 2 more`."""
    ids = sorted(notice.contact_id for notice in notices)
    more = f" and {len(ids) - _CONTACTS_NAMED_MAX} more" if len(ids) > _CONTACTS_NAMED_MAX else ""
    return ", ".join(ids[:_CONTACTS_NAMED_MAX]) + more
