"""What a mail server gets of a mail: whoever reads the bytes gets back the very name, address and subject."""

import datetime
import email
import email.policy
import smtplib
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notification.channels import smtp as mailer
from notification.channels.mail import make_mail
from notification.domain.notices.notice import Notice
from notification.domain.recipients.contact import Contact
from notification.rendering.templates import one_line
from touchstone_contracts.values import Party, PartyKind

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
MEMBER = Party(kind=PartyKind.MEMBER, id="qatalum")
LONG = 'Fictional Person, Ph. D. (Head of "Sustainability" <Gulf> [acting]; all sites), and more'
ARABIC = "المهندسة فلانة بنت فلان آل فلان مديرة الاستدامة والجودة"
NAMES = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
    | st.text(st.sampled_from(' ,;:<>()[]@"\\.=?_abcé漢😀ع'), max_size=200)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
)


class Wire(smtplib.SMTP):
    """A connection that keeps what would go over it."""

    def __init__(self) -> None:
        super().__init__(local_hostname="localhost")
        self.sent: list[tuple[str, list[str], bytes]] = []

    def ehlo_or_helo_if_needed(self) -> None:
        pass

    def sendmail(self, from_addr: str, to_addrs: Any, msg: Any, *_: Any, **__: Any) -> Any:
        self.sent.append((from_addr, list(to_addrs), msg))


def sent(*, name: str = "A. Person", sender: str = "Register", subject: str = "Certificate issued") -> Any:
    """Envelope and bytes of a mail to that name."""
    settings = {"sender": "notices@touchstone.example", "sender_name": sender}
    contact = Contact(
        id="rosa",
        party=MEMBER,
        name=name,
        address="person@example.org",
        language="en",
        channels=("email",),
        active=True,
        sequence=1,
    )
    notice = Notice(
        id="ntc-1",
        about="e-1",
        type="certificate_issued",
        audit_id="aud-1",
        certificate_number=195,
        party=MEMBER,
        contact_id="rosa",
        language="en",
        channel="email",
        created_at=NOON,
        message_id="<ntc-1@touchstone.example>",
    )
    wire = Wire()
    mailer._handed_over(wire, make_mail(notice, contact, subject, "Text\n", "en", settings=settings, at=NOON))
    return wire.sent[0]


def decoded(value: str) -> str:
    """What RFC 2047 says that a value means."""
    return str(make_header(decode_header(value)))


def people(raw: bytes, header: str) -> list[tuple[str, str]]:
    """Names and addresses by the rules: parted into addresses first, then decoded."""
    read = email.message_from_bytes(raw)
    return [(decoded(name), address) for name, address in getaddresses([str(read[header])])]


def people_by_python(raw: bytes, header: str) -> list[tuple[str, str]]:
    read = email.message_from_bytes(raw, policy=email.policy.default)
    return [(address.display_name, address.addr_spec) for address in read[header].addresses]


def without_blanks(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Python's newer parser reads a blank between two encoded words that is none (gh-128110)."""
    return [(name.replace(" ", ""), address) for name, address in found]


@given(name=NAMES)
@example(name=LONG)
@example(name=ARABIC)
@example(name="=?utf-8?q?a=2C_b?= <x@example.org>")
def test_a_name_and_its_address_come_out_as_they_went_in(name: str) -> None:
    _, _, raw = sent(name=name, sender=name)

    shown = one_line(name)
    assert people(raw, "To") == [(shown, "person@example.org")]
    assert people(raw, "From") == [(shown, "notices@touchstone.example")]
    assert without_blanks(people_by_python(raw, "To")) == without_blanks(people(raw, "To"))
    if shown.isascii() and "=?" not in shown and "?=" not in shown:
        assert people_by_python(raw, "To") == people(raw, "To")


@given(subject=NAMES.map(one_line))
@example(subject="=?utf-8?q?Certificate_issued?=")
def test_a_subject_comes_out_as_it_went_in(subject: str) -> None:
    _, _, raw = sent(subject=subject)

    assert decoded(str(email.message_from_bytes(raw)["Subject"])) == subject
    assert email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject


@given(name=NAMES)
def test_no_line_is_longer_than_mail_servers_take_and_all_of_it_is_ascii(name: str) -> None:
    _, _, raw = sent(name=name, sender=name, subject=one_line(name))

    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("name", ["A Person", "R2 D2"])
def test_a_plain_name_stays_readable_in_the_bytes(name: str) -> None:
    assert f"To: {name}\r\n <person@example.org>\r\n".encode() in sent(name=name)[2]


def test_the_mail_server_is_told_the_address_whatever_the_name_says() -> None:
    sender, recipients, _ = sent(name='"Somebody" <else@example.org>, x')

    assert (sender, recipients) == ("notices@touchstone.example", ["person@example.org"])
