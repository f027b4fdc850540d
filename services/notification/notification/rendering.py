"""Makes the mail of a notice from its template, in the contact's language where there is one, else in English."""

import datetime
import functools
import hashlib
import unicodedata
from collections.abc import Mapping
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

import jinja2
from babel.dates import format_date

from notification.domain import Announcement, Contact, Notice

FALLBACK = "en"
SUBJECT_LENGTH_MAX = 200
LOCALES = {"en": "en_GB"}
STANDARD_NAMES = {"PS": "Performance Standard", "COC": "Chain of Custody Standard"}

_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


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


def one_line(value: Any) -> Any:
    """Text without line breaks and control characters: a value can begin neither a header nor a paragraph."""
    if not isinstance(value, str):
        return value
    if value.isprintable():  # none of what is left out below is
        return " ".join(value.split())
    visible = ("" if c in _BIDI_CONTROLS else " " if unicodedata.category(c) in _INVISIBLE else c for c in value)
    return " ".join("".join(visible).split())


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("notification"),
        autoescape=lambda name: name is not None and ".html" in name,
        finalize=one_line,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["day"] = _day
    environment.filters["standard"] = _standard
    return environment


@functools.cache
def _template_names() -> frozenset[str]:
    return frozenset(_templates().list_templates())


@jinja2.pass_context
def _day(context: jinja2.runtime.Context, day: str) -> str:
    return _long_day(day, context["language"])


@functools.lru_cache(maxsize=1000)
def _long_day(day: str, language: str) -> str:
    return str(format_date(datetime.date.fromisoformat(day), "long", locale=LOCALES.get(language, language)))


def _standard(standard: Mapping[str, str]) -> str:
    return f"{STANDARD_NAMES.get(standard['code'], standard['code'])} {standard['version']}"


def language_for(type: str, wanted: str) -> str:
    """The language in which a notice of this type can be written that comes nearest to the wanted one."""
    short = wanted.partition("-")[0].lower()
    return short if f"{type}/{short}.txt.j2" in _template_names() else FALLBACK


def render(
    notice: Notice, announcement: Announcement, contact: Contact, *, register_url: str | None
) -> tuple[str, str, str]:
    """Subject (one line), body and the language that both are in."""
    language = language_for(announcement.type, contact.language)
    known = {
        "facts": announcement.facts,
        "happened_at": announcement.at,
        "contact_name": contact.name,
        "party": contact.party.kind.value,
        "notice_id": notice.id,
        "register_url": register_url,
        "language": language,
    }
    texts = (_templates().get_template(f"{announcement.type}/{language}.{part}.j2") for part in ("subject", "txt"))
    subject, body = (template.render(known) for template in texts)
    return one_line(subject)[:SUBJECT_LENGTH_MAX], body.strip() + "\n", language


def digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def mail(
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
