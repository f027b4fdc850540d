"""Makes the mail of a notice as it goes to the mail server."""

import datetime
import functools
from collections.abc import Mapping
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from notification.channels.headers import POLICY
from notification.domain.notices.notice import Notice
from notification.domain.recipients.contact import Contact
from notification.rendering.templates import one_line


@functools.lru_cache(maxsize=100)
def _same_in_each(name: str, value: str) -> Any:
    """A header that many mails have alike, taken apart once. Not for what is personal: it stays in memory."""
    return POLICY.header_factory(name, value)


class AddressUnusable(Exception):
    """No mail can be addressed to the contact."""


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
    """The message as it goes to the mail server, the same Message-ID each time. Raises AddressUnusable."""
    message = EmailMessage(policy=POLICY)
    message["From"] = _sender(settings["sender_name"], settings["sender"])
    message["To"] = _recipient(contact)
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
    return POLICY.header_factory("From", Address(one_line(name), addr_spec=address))


def _recipient(contact: Contact) -> Address:
    try:
        return Address(one_line(contact.name), addr_spec=contact.address)
    except (ValueError, IndexError, MessageError) as error:  # as the library finds out what is wrong with it
        raise AddressUnusable("What is kept as the contact's address is no address for a mail.") from error
