import dataclasses
import datetime
import json
from importlib import resources
from typing import Any

import pytest

from notification.channels import smtp as mailer
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.events.notification import NoticeSent


def example(name: str, **changes: Any) -> tuple[Any, Any]:
    """Event and envelope of a golden example."""
    text = resources.files("touchstone_contracts").joinpath(f"examples/{name}.v1.json").read_text("utf-8")
    envelope, event = unwrap(json.loads(text))
    return dataclasses.replace(event, **changes), envelope


@pytest.fixture
def pending(bench: Any) -> Any:
    """A bench with one notice that is due."""
    bench.handle("learn_contact", *example("membership.contact_changed"))()
    bench.run_due("catch_up")
    bench.handle("announce", *example("certification.certificate_issued"))()
    return bench


def test_a_notice_that_the_server_took_is_marked_and_announced(pending: Any) -> None:
    pending.run_due("send_notice")

    (notice,) = pending.notices()
    assert (notice["state"], notice["attempts"]) == ("sent", 1)
    assert notice["sent_at"] is not None
    assert len(notice["body_sha256"]) == 64
    (announced,) = pending.events()
    assert announced == NoticeSent(
        notice_id=notice["_id"],
        notice_type="certificate_issued",
        about=notice["about"],
        audit_id="aud-7f3a",
        contact_id="qatalum-sustainability",
        party=announced.party,
        channel="email",
        sent_at=pending.now,
    )


def test_sending_reads_the_notice_and_then_its_contact_and_what_it_tells_of(pending: Any) -> None:
    (job,) = pending.due_of("send_notice")

    assert pending.reads_of("send_notice", job) == ["notices", "contacts/announcements"]


def test_a_refused_notice_is_failed_with_the_reply_and_not_tried_again(pending: Any) -> None:
    pending.answer = lambda _mail: mailer.Refused(550, "no such person")

    pending.run_due("send_notice")

    (notice,) = pending.notices()
    assert (notice["state"], notice["reply_code"], notice["last_error"]) == ("failed", 550, "no such person")
    pending.run_due("send_again")
    assert [job["kind"] for job in pending.documents("deadlines")] == ["check_announcement"]
    assert (pending.notices(), len(pending.mails), pending.events()) == ([notice], 1, [])


def test_a_notice_to_what_is_no_address_has_failed_and_nothing_is_sent(pending: Any) -> None:
    event, envelope = example("membership.contact_changed", address="Rosa, at home")
    pending.handle("learn_contact", event, dataclasses.replace(envelope, id="c2", sequence=2))()

    pending.run_due("send_notice")

    (notice,) = pending.notices()
    assert (notice["state"], notice["reply_code"]) == ("failed", None)
    assert "no address for a mail" in notice["last_error"] and "Rosa" not in notice["last_error"]
    assert pending.mails == []


def test_a_notice_is_tried_again_at_growing_intervals_and_then_given_up(pending: Any) -> None:
    pending.answer = lambda _mail: mailer.PutOff(None, "ConnectionRefusedError: [Errno 111] Connection refused")
    tries: list[datetime.timedelta] = []
    start = pending.now

    for _ in range(200):
        sent_so_far = len(pending.mails)
        pending.run_due("send_notice")
        if len(pending.mails) > sent_so_far:
            tries.append(pending.now - start)
        pending.now += datetime.timedelta(seconds=1)

    (notice,) = pending.notices()
    assert [t.total_seconds() for t in tries] == [0, 10, 70]
    assert (notice["state"], notice["attempts"]) == ("dead", 3)


def test_every_try_carries_the_same_message_id(pending: Any) -> None:
    pending.answer = lambda _mail: mailer.PutOff(451, "later")
    pending.run_due("send_notice")
    pending.answer = lambda _mail: mailer.Taken()
    pending.now += datetime.timedelta(seconds=10)

    pending.run_due("send_notice")

    (notice,) = pending.notices()
    assert [mail["Message-ID"] for mail in pending.mails] == [notice["message_id"]] * 2
    assert notice["message_id"] == f"<{notice['_id']}@touchstone.example>"
    assert (notice["reply_code"], notice["last_error"]) == (None, None)


def test_somebody_who_left_meanwhile_is_not_mailed(pending: Any) -> None:
    event, envelope = example("membership.contact_changed", active=False)
    later = dataclasses.replace(envelope, id="c2", sequence=2, time=envelope.time + datetime.timedelta(days=1))
    pending.handle("learn_contact", event, later)()

    pending.run_due("send_notice")

    (notice,) = pending.notices()
    assert notice["state"] == "cancelled"
    assert pending.mails == []


def test_a_mail_goes_to_the_address_that_is_known_when_it_is_sent(pending: Any) -> None:
    event, envelope = example("membership.contact_changed", address="new@example.org", language="fr")
    pending.handle("learn_contact", event, dataclasses.replace(envelope, id="c2", sequence=2))()

    pending.run_due("send_notice")

    (mail,) = pending.mails
    assert mail["To"].addresses[0].addr_spec == "new@example.org"
    assert pending.notices()[0]["language"] == "fr"


def test_a_mail_that_the_server_took_is_not_sent_again_when_marking_it_is_tried_again(pending: Any) -> None:
    (deadline,) = pending.due_of("send_notice")
    pending.handle("send_notice", deadline)  # decided and sent, and the commit is lost

    pending.run_due("send_notice")

    assert len(pending.mails) == 1
    assert pending.notices()[0]["state"] == "sent"


def test_a_notice_that_was_taken_while_it_was_called_off_is_marked_as_sent(pending: Any) -> None:
    (deadline,) = pending.due_of("send_notice")
    mark = pending.handle("send_notice", deadline)
    (notice,) = pending.notices()
    called_off = {"$set": {"state": "not_due"}, "$inc": {"version": 1}}
    pending.database["notices"].update_one({"_id": notice["_id"]}, called_off)

    mark()

    assert pending.notices()[0]["state"] == "sent"


def test_a_notice_that_is_sent_already_is_left_alone(pending: Any) -> None:
    (deadline,) = pending.due_of("send_notice")
    (stored,) = pending.database["deadlines"].find({"kind": "send_notice"})
    pending.run_due("send_notice")
    before = pending.notices()
    pending.database["deadlines"].insert_one(stored)

    pending.handle("send_notice", deadline)()

    assert pending.notices() == before
    assert len(pending.mails) == 1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b"5.1.1 <person@example.org>: no such user", "5.1.1 <p•••@example.org>: no such user"),
        (b"line one\r\nline two\x00", "line one line two"),
        (b"caf\xe9", "caf\ufffd"),
    ],
)
def test_what_a_server_says_is_kept_on_one_line_without_addresses(said: bytes, kept: str) -> None:
    outcome = mailer._judged(550, said)

    assert outcome == mailer.Refused(550, kept)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(550, mailer.Refused), (554, mailer.Refused), (451, mailer.PutOff), (421, mailer.PutOff), (535, mailer.PutOff)],
)
def test_only_a_refusal_of_the_mail_itself_is_final(code: int, outcome: type) -> None:
    assert isinstance(mailer._judged(code, b"no"), outcome)


def test_what_is_remembered_of_mails_that_were_taken_is_bounded() -> None:
    remembered = mailer.SentMailCache(limit=2)

    for number in range(5):
        remembered.add(str(number))

    assert [str(number) in remembered for number in range(5)] == [False, False, False, True, True]
