import dataclasses
import datetime
import json
from email import message_from_bytes
from email.policy import default
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notification.application.translation import announcement_of, contact_of
from notification.channels.mail import make_mail
from notification.data.notice_rules import RULES
from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice
from notification.domain.notices.resolution import resolve
from notification.domain.recipients.contact import Contact
from notification.rendering import templates as rendering
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.values import Reason

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
TYPES = sorted(RULES)
SETTINGS = {"sender": "notices@touchstone.example", "sender_name": "Register", "register_url": None}
CHANGES = {
    "certificate_maintained": {"en": "maintained", "de": "aufrechterhalten", "fr": "maintenu"},
    "certificate_upgraded": {"en": "upgraded to full", "de": "zur vollen", "fr": "porté au niveau complet"},
    "certificate_downgraded": {"en": "made provisional", "de": "zur vorläufigen", "fr": "ramené au niveau provisoire"},
    "certificate_suspended": {"en": "suspended", "de": "ausgesetzt", "fr": "suspendu"},
    "certificate_withdrawn": {
        "en": "withdrawn for good",
        "de": "endgültig zurückgezogen",
        "fr": "retiré définitivement",
    },
    "certificate_renewed": {"en": "renewed", "de": "erneuert", "fr": "renouvelé"},
    "certificate_scope_amended": {
        "en": "amended in its scope",
        "de": "im Umfang geändert",
        "fr": "modifié dans sa portée",
    },
}
"""What each notice of a change says in its subject and in its first sentence."""


def example(name: str, /, **changes: Any) -> tuple[Any, Any]:
    text = resources.files("touchstone_contracts").joinpath(f"examples/{name}.v1.json").read_text("utf-8")
    envelope, event = unwrap(json.loads(text))
    return dataclasses.replace(event, **changes), envelope


def a_notice(
    type: str, *, contact: dict[str, Any] | None = None, **changes: Any
) -> tuple[Notice, Announcement, Contact]:
    person = contact_of(*example("membership.contact_changed", **contact or {}))
    announcement = announcement_of(*example(RULES[type].event, **changes))
    resolution = resolve(announcement, [person], [], at=NOON, message_id_domain="touchstone.example")
    return resolution.due[0], announcement, person


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("type", TYPES)
def test_every_notice_can_be_written_in_every_language(type: str, language: str) -> None:
    subject, body, written_in = rendering.render(*a_notice(type, contact={"language": language}), register_url=None)

    assert written_in == language
    assert "Qatalum, Mesaieed" in subject
    assert "touchstone verify 195" in body or "touchstone status aud-7f3a" in body
    assert "{" not in body + subject and "\n\n\n" not in body
    assert body == body.strip() + "\n"


@pytest.mark.parametrize(("language", "day"), [("en", "7 March 2026"), ("de", "7. März 2026"), ("fr", "7 mars 2026")])
@pytest.mark.parametrize("type", TYPES)
def test_a_notice_says_of_which_day_it_speaks_however_late_it_goes_out(type: str, language: str, day: str) -> None:
    notice, announcement, contact = a_notice(type, contact={"language": language})
    announcement.at = datetime.datetime(2026, 3, 7, 9, tzinfo=datetime.UTC)

    assert day in rendering.render(notice, announcement, contact, register_url=None)[1]


@pytest.mark.parametrize(
    ("type", "said"),
    [
        ("certificate_issued", ["195", "Full certification", "11 April 2022", "10 April 2025"]),
        ("certification_refused", ["Four major non-conformities.", "rule 2a", "5 March 2026"]),
        ("certification_held", ["9.1 has no approved plan.", "rule 5b", "5 April 2026"]),
        ("certificate_expired", ["195", "10 April 2025"]),
        ("certificate_maintained", ["goes on as it is", "2 May 2023", "10 April 2025", "rule 8, no_nonconformity"]),
        ("certificate_upgraded", ["Full certification", "2 May 2023", "1 May 2026", "No major non-conformity is open"]),
        ("certificate_downgraded", ["Provisional certification", "1 May 2024", "Major non-conformities: 1 (9.1)."]),
        ("certificate_suspended", ["until it is reinstated", "2 May 2023", "Critical breach: 10.1.", "rule 1b"]),
        ("certificate_withdrawn", ["any more", "2 May 2023", "at most 3 are allowed.", "rule 2a_w"]),
        (
            "certificate_renewed",
            ["Version:        2", "2 May 2023", "1 May 2026", "rule set 2, mandated by secretariat-1"],
        ),
        ("certificate_scope_amended", ["Smelter and casthouse at Mesaieed", "2 May 2023", "10 April 2025", "rule 9"]),
    ],
)
def test_a_notice_names_what_the_person_needs_to_know(type: str, said: list[str]) -> None:
    _, body, _ = rendering.render(*a_notice(type), register_url=None)

    assert [text for text in said if text not in body] == []


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize("type", CHANGES)
def test_a_notice_of_a_change_says_first_what_happened(type: str, language: str) -> None:
    subject, body, _ = rendering.render(*a_notice(type, contact={"language": language}), register_url=None)

    said = CHANGES[type][language]
    assert said in subject
    assert said in body.split("\n\n")[1]


@pytest.mark.parametrize(
    ("language", "last_day"), [("en", "Last day of validity"), ("de", "Letzter Tag"), ("fr", "Dernier jour")]
)
@pytest.mark.parametrize("type", CHANGES)
def test_only_a_withdrawn_certificate_has_no_last_day_to_come(type: str, language: str, last_day: str) -> None:
    _, body, _ = rendering.render(*a_notice(type, contact={"language": language}), register_url=None)

    assert (last_day not in body) == (type == "certificate_withdrawn")


@pytest.mark.parametrize("type", CHANGES)
def test_every_reason_of_a_change_is_told(type: str) -> None:
    reasons = [Reason(rule=str(n), code=f"code_{n}", text=f"Reason {n}.") for n in range(3)]

    _, body, _ = rendering.render(*a_notice(type, reasons=reasons), register_url=None)

    assert [line for line in body.splitlines() if line.startswith("  - ")] == [
        f"  - Reason {n}. (rule {n}, code_{n})" for n in range(3)
    ]


def test_a_hold_without_a_last_day_says_so() -> None:
    _, body, _ = rendering.render(*a_notice("certification_held", until=None), register_url=None)

    assert "No date has been set" in body


@pytest.mark.parametrize(
    ("wanted", "written"), [("fr-CH", "fr"), ("de-AT", "de"), ("DE", "de"), ("ja", "en"), ("", "en"), ("../x", "en")]
)
def test_a_language_without_a_template_falls_back(wanted: str, written: str) -> None:
    assert rendering.language_for("certificate_issued", wanted) == written


def test_the_register_is_linked_where_there_is_one() -> None:
    _, body, _ = rendering.render(*a_notice("certificate_issued"), register_url="https://register.example")

    assert "https://register.example/certificates/195" in body


def test_nothing_in_a_plain_text_is_escaped_as_html() -> None:
    _, body, _ = rendering.render(*a_notice("certificate_issued", member_name="Müller & Söhne <AG>"), register_url=None)

    assert "Müller & Söhne <AG>" in body


HOSTILE = "x\r\nBcc: victim@example.org\r\n\r\nBuy!\u2028\u202e\x00\x1b[2J"


def test_a_name_cannot_begin_a_header_or_a_paragraph() -> None:
    event, _ = example("certification.certificate_issued")
    entity = dataclasses.replace(event.entity, name=HOSTILE)
    notice, announcement, contact = a_notice(
        "certificate_issued", contact={"name": HOSTILE}, entity=entity, member_name=HOSTILE, scope_text=HOSTILE
    )

    subject, body, language = rendering.render(notice, announcement, contact, register_url=None)
    raw = make_mail(notice, contact, subject, body, language, settings=SETTINGS, at=NOON).as_bytes()

    read = message_from_bytes(raw, policy=default)
    assert read["Bcc"] is None
    assert len(read["To"].addresses) == 1
    assert "\nBuy!" not in body and "\nBcc" not in body
    assert not any(c in subject + body for c in "\r\x00\x1b\u202e\u2028")


@given(text=st.text(max_size=300))
def test_no_text_breaks_the_mail(text: str) -> None:
    event, _ = example("certification.certificate_issued")
    entity = dataclasses.replace(event.entity, name=text)
    notice, announcement, contact = a_notice("certificate_issued", contact={"name": text}, entity=entity)

    subject, body, language = rendering.render(notice, announcement, contact, register_url=None)
    raw = make_mail(notice, contact, subject, body, language, settings=SETTINGS, at=NOON).as_bytes()

    read = message_from_bytes(raw, policy=default)
    assert read["Message-ID"] == notice.message_id
    assert [address.addr_spec for address in read["To"].addresses] == ["person@example.org"]
    assert read.get_content().replace("\r\n", "\n") == body
    assert rendering.digest(body) == rendering.digest(read.get_content().replace("\r\n", "\n"))


def test_a_mail_says_that_a_machine_wrote_it_and_in_which_language() -> None:
    notice, announcement, contact = a_notice("certificate_issued", contact={"language": "de"})

    subject, body, language = rendering.render(notice, announcement, contact, register_url=None)
    mail = make_mail(notice, contact, subject, body, language, settings=SETTINGS, at=NOON)

    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-generated", "de")
    assert (mail["X-Touchstone-Notice"], mail["X-Touchstone-Event"]) == (notice.id, notice.about)
    assert mail["From"].addresses[0].addr_spec == "notices@touchstone.example"
