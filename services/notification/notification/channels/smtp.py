"""Hands one mail to the mail server and says what became of it."""

import collections
import contextlib
import dataclasses
import os
import re
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import eventlet

from notification.domain.recipients.contact import masked

PASSWORD_VARIABLE = "TOUCHSTONE_SMTP_PASSWORD"

_ADDRESS = re.compile(r"[^\s<>\"'(),:;@]+@[^\s<>\"'(),:;@]+")
_ABOUT_OURSELVES = {530, 534, 535, 538}
"""Replies that refuse our credentials, not the mail: somebody will mend them."""


class MailServerTooSlow(Exception):
    """The whole exchange took longer than it may."""


@dataclasses.dataclass(frozen=True)
class Taken:
    """The server is answerable for the mail now."""


@dataclasses.dataclass(frozen=True)
class Refused:
    """The server will not take this mail, today or later. Without `reply_code` it could not even be asked."""

    reply_code: int | None
    error: str


@dataclasses.dataclass(frozen=True)
class PutOff:
    """The server was away, too slow, or said not now. `reply_code` is None when it said nothing."""

    reply_code: int | None
    error: str


Outcome = Taken | Refused | PutOff


def send(mail: EmailMessage, smtp: Mapping[str, Any]) -> Outcome:
    """Give `mail` to the server in `smtp` (settings). Never raises for anything that the server does or fails to do."""
    try:
        server = _connect(smtp)
    except (OSError, smtplib.SMTPException) as error:
        return _put_off(error)
    try:
        outcome = _handed_over(server, mail)
        _leave(server)
        return outcome
    finally:
        server.close()


def send_within(mail: EmailMessage, smtp: Mapping[str, Any]) -> Outcome:
    """Send, but never for longer than a job stays claimed: another replica would send it too."""
    try:
        with eventlet.Timeout(smtp["exchange_s_max"], MailServerTooSlow):
            return send(mail, smtp)
    except MailServerTooSlow:
        return PutOff(None, f"The mail server took longer than {smtp['exchange_s_max']:g} s.")


def _handed_over(server: smtplib.SMTP, mail: EmailMessage) -> Outcome:
    sender, recipient = (mail[header].addresses[0].addr_spec for header in ("From", "To"))
    try:
        server.send_message(mail, from_addr=sender, to_addrs=[recipient])
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _judged(code, text)
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        return _judged(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        return _put_off(error)
    return Taken()


def _connect(smtp: Mapping[str, Any]) -> smtplib.SMTP:
    # With a configured name smtplib need not look for one in the DNS.
    named: dict[str, Any] = {"local_hostname": smtp["helo_name"], "timeout": smtp["timeout_s"]}
    if smtp["tls"] == "implicit":
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp["host"], smtp["port"], context=_context(smtp), **named)
    else:
        server = smtplib.SMTP(smtp["host"], smtp["port"], **named)
    try:
        if smtp["tls"] == "starttls":
            server.starttls(context=_context(smtp))
        if smtp["user"]:
            server.login(smtp["user"], os.environ.get(PASSWORD_VARIABLE, ""))
    except BaseException:
        server.close()
        raise
    return server


def _context(smtp: Mapping[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=smtp["ca_path"])


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; what the server answers to that changes nothing."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        server.quit()


def _judged(code: int, text: bytes | str) -> Outcome:
    error = _readable(text)
    if 500 <= code < 600 and code not in _ABOUT_OURSELVES:
        return Refused(code, error)
    return PutOff(code, error)


def _put_off(error: Exception) -> PutOff:
    if isinstance(error, smtplib.SMTPResponseException):
        return PutOff(error.smtp_code, _readable(error.smtp_error))
    return PutOff(None, _readable(f"{type(error).__name__}: {error}"))


def _readable(text: bytes | str) -> str:
    """What a server said, on one line and without addresses: it likes to repeat whom it refuses."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    one_line = " ".join("".join(c if c.isprintable() else " " for c in decoded).split())
    return _ADDRESS.sub(lambda found: masked(found.group()), one_line)


class SentMailCache:
    """Message-IDs that the server took and that are not marked yet, for as long as this process lives.

    The commit that marks a notice may fail and be tried again: then the mail is not sent again.
    """

    def __init__(self, limit: int = 10_000):
        self._limit = limit
        self._taken: collections.OrderedDict[str, None] = collections.OrderedDict()

    def add(self, message_id: str) -> None:
        self._taken[message_id] = None
        if len(self._taken) > self._limit:
            self._taken.popitem(last=False)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._taken
