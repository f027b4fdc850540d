"""Writes a notice from its template, in the contact's language where there is one, else in English."""

import datetime
import functools
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import jinja2
from babel.dates import format_date

from notification.data.notice_rules import RULES
from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice
from notification.domain.recipients.contact import Contact
from touchstone_contracts.texts import BIDI_CONTROLS, CONTROLS

FALLBACK = "en"
SUBJECT_LENGTH_MAX = 200
LOCALES = {"en": "en_GB"}
STANDARD_NAMES = {"PS": "Performance Standard", "COC": "Chain of Custody Standard"}

_BREAKING, _TURNING = re.compile(f"[{CONTROLS}]"), re.compile(f"[{BIDI_CONTROLS}]")


def one_line(value: Any) -> Any:
    """Text without line breaks and control characters: a value can begin neither a header nor a paragraph."""
    if not isinstance(value, str):
        return value
    return " ".join(_BREAKING.sub(" ", _TURNING.sub("", value)).split())


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


def language_for(template: str, wanted: str) -> str:
    """The language in which a notice can be written by this template that comes nearest to the wanted one."""
    short = wanted.partition("-")[0].lower()
    return short if f"{template}/{short}.txt.j2" in _template_names() else FALLBACK


def render(
    notice: Notice, announcement: Announcement, contact: Contact, *, register_url: str | None
) -> tuple[str, str, str]:
    """Subject (one line), body and the language that both are in."""
    template = RULES[announcement.type].template
    language = language_for(template, contact.language)
    known = {
        "type": announcement.type,
        "facts": announcement.facts,
        "happened_on": announcement.at.date().isoformat(),
        "contact_name": contact.name,
        "party": contact.party.kind.value,
        "notice_id": notice.id,
        "register_url": register_url,
        "language": language,
    }
    parts = (_templates().get_template(f"{template}/{language}.{part}.j2") for part in ("subject", "txt"))
    subject, body = (part.render(known) for part in parts)
    return one_line(subject)[:SUBJECT_LENGTH_MAX], body.strip() + "\n", language


def digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
