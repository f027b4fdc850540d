import datetime
import ipaddress
import pathlib
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notification.channels import smtp as mailer
from touchstone_devkit.eventually import patience


@pytest.fixture
def certificate(tmp_path: pathlib.Path) -> pathlib.Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of a test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    signed = built.add_extension(address, critical=False).sign(key, hashes.SHA256())
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def secured(mail_server: Any, certificate: pathlib.Path) -> Iterator[Any]:
    mail_server.stop()
    mail_server.start(certificate)
    yield mail_server


def smtp(server: Any, **changes: Any) -> dict[str, Any]:
    plain = {"host": "127.0.0.1", "port": server.port, "tls": "none", "helo_name": "localhost", "ca_path": None}
    return plain | {"user": None, "timeout_s": 5, "exchange_s_max": 20} | changes


def a_mail(to: str = "person@example.org") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "notices@touchstone.example", to, "Grüße"
    mail.set_content("Text mit Umlauten: äöü\n")
    return mail


def test_a_mail_is_taken_by_a_real_server(mail_server: Any) -> None:
    assert mailer.send(a_mail(), smtp(mail_server)) == mailer.Taken()

    (mail,) = mail_server.mails()
    assert (mail["to"], mail["headers"]["Subject"]) == (["person@example.org"], "Grüße")


def test_a_user_is_authenticated_over_starttls(
    secured: Any, certificate: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mailer.PASSWORD_VARIABLE, "secret")

    outcome = mailer.send(a_mail(), smtp(secured, tls="starttls", ca_path=str(certificate), user="touchstone"))

    assert outcome == mailer.Taken()
    (mail,) = secured.mails()
    assert (mail["tls"], mail["user"]) == (True, "touchstone")


def test_a_wrong_password_is_a_matter_for_the_operator_not_the_end_of_the_notice(
    secured: Any, certificate: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mailer.PASSWORD_VARIABLE, "guess")

    outcome = mailer.send(a_mail(), smtp(secured, tls="starttls", ca_path=str(certificate), user="touchstone"))

    assert isinstance(outcome, mailer.PutOff)
    assert outcome.reply_code == 535
    assert "guess" not in outcome.error


def test_a_server_that_nobody_vouches_for_gets_neither_password_nor_mail(
    secured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mailer.PASSWORD_VARIABLE, "secret")

    outcome = mailer.send(a_mail(), smtp(secured, tls="starttls", user="touchstone"))

    assert isinstance(outcome, mailer.PutOff)
    assert "certificate verify failed" in outcome.error.lower()
    assert secured.mails() == []


def test_a_server_without_tls_is_not_given_a_mail_that_wants_it(mail_server: Any) -> None:
    outcome = mailer.send(a_mail(), smtp(mail_server, tls="starttls"))

    assert isinstance(outcome, mailer.PutOff)
    assert mail_server.mails() == []


def test_a_server_that_is_not_there_puts_the_mail_off(mail_server: Any) -> None:
    mail_server.stop()

    outcome = mailer.send(a_mail(), smtp(mail_server))

    assert isinstance(outcome, mailer.PutOff)
    assert outcome.reply_code is None


def test_a_server_that_does_not_answer_puts_the_mail_off_after_the_timeout(mail_server: Any) -> None:
    outcome = mailer.send(a_mail("slow@example.org"), smtp(mail_server, timeout_s=0.3))

    assert isinstance(outcome, mailer.PutOff)


def test_the_whole_exchange_has_a_limit_however_long_each_step_may_take(mail_server: Any) -> None:
    started = time.monotonic()

    outcome = mailer.send_within(a_mail("slow@example.org"), smtp(mail_server, timeout_s=60, exchange_s_max=0.5))

    assert isinstance(outcome, mailer.PutOff)
    assert time.monotonic() - started < 5 * patience()
