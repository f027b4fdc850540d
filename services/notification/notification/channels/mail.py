"""Makes the mail of a notice as it goes to the mail server."""

import datetime
import functools
from collections.abc import Mapping
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from notification.domain.notices.notice import Notice
from notification.domain.recipients.contact import Contact
from notification.rendering.templates import one_line


class _Headers(HeaderRegistry):
    """The kinds of headers, each made once: the library would make a class for every header of every mail."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        kind = self._made.get(name.lower())
        if kind is None:
            kind = self._made[name.lower()] = super().__getitem__(name)
        return kind


_POLICY = SMTP.clone(header_factory=_Headers())


@functools.lru_cache(maxsize=100)
def _same_in_each(name: str, value: str) -> Any:
    """A header that many mails have alike, taken apart once. Not for what is personal: it stays in memory."""
    return _POLICY.header_factory(name, value)


def make_mail(
    notice: Notice,
    contact: Contact,
    subject: str,
    body: str,
    language: str,
    *,
    settings: Mapping[str, Any],
    at: datetime.datetime,
) -> EmailMessage:
    """The message as it goes to the mail server, the same Message-ID each time."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = _sender(settings["sender_name"], settings["sender"])
    message["To"] = Address(one_line(contact.name), addr_spec=contact.address)
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = notice.message_id
    message["Auto-Submitted"] = _same_in_each("Auto-Submitted", "auto-generated")
    message["X-Touchstone-Notice"] = notice.id
    message["X-Touchstone-Event"] = one_line(notice.about)
    message.set_content(body, charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = _same_in_each(
        "Content-Language", language
    )  # after the content, which replaces every header of this family
    return message


@functools.lru_cache(maxsize=10)
def _sender(name: str, address: str) -> Any:
    return _POLICY.header_factory("From", Address(one_line(name), addr_spec=address))
