"""What notices that were not sent wait for, those that wait alike in one line."""

import datetime
from typing import Any

from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice, NoticeState
from notification.presenters.pending_work import unsent_notices, without_recipient
from touchstone_contracts.values import Party, PartyKind

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
MEMBER = Party(kind=PartyKind.MEMBER, id="qatalum")
BODY = Party(kind=PartyKind.BODY, id="dnv")


def notice(contact_id: str, **changes: Any) -> Notice:
    fields: dict[str, Any] = {
        "id": f"ntc-{contact_id}",
        "about": "e-1",
        "type": "certificate_issued",
        "audit_id": "aud-1",
        "certificate_number": 195,
        "party": MEMBER,
        "contact_id": contact_id,
        "language": "en",
        "channel": "email",
        "created_at": NOON,
        "message_id": "<m>",
    }
    return Notice(**fields | changes)


def put_off(contact_id: str, attempts: int) -> tuple[Notice, datetime.datetime]:
    refused = "ConnectionRefusedError"
    return notice(contact_id, attempts=attempts, last_error=refused), NOON + datetime.timedelta(seconds=70)


def test_a_notice_about_to_be_sent_needs_nobody() -> None:
    (found,) = unsent_notices([(notice("rosa"), NOON)])

    assert (found.case, found.certificate_number, found.who) == ("aud-1", 195, None)
    assert found.waits_for == "the mail to rosa to be sent"


def test_notices_that_the_same_server_did_not_take_are_one_line() -> None:
    (found,) = unsent_notices([put_off("rosa", 3), put_off("ali", 2), put_off("eve", 3), put_off("zoe", 3)])

    assert found.who == "operator"
    assert found.waits_for == (
        "the mail server to take the mail to ali, eve, rosa and 1 more: ConnectionRefusedError; "
        "try 4, next at 2026-03-05 12:01:10"
    )


def test_a_first_failure_is_left_to_the_next_try() -> None:
    (found,) = unsent_notices([put_off("rosa", 1)])

    assert found.who is None and "try 2" in found.waits_for


def test_a_notice_that_was_refused_for_good_waits_for_a_right_address() -> None:
    refused = notice("rosa", state=NoticeState.FAILED, attempts=1, reply_code=550, last_error="no such person")

    (found,) = unsent_notices([(refused, None)])

    assert (found.state, found.who) == ("notice refused", "registrar")
    assert "rosa" in found.waits_for and "no such person" in found.waits_for


def test_a_notice_that_was_given_up_waits_for_somebody_who_tells_the_person() -> None:
    dead = notice("rosa", state=NoticeState.DEAD, attempts=6, last_error="451 later")

    (found,) = unsent_notices([(dead, None)])

    assert (found.state, found.who) == ("notice given up", "operator")
    assert "6 tries" in found.waits_for


def test_notices_that_wait_in_different_ways_are_lines_of_their_own() -> None:
    found = unsent_notices([put_off("rosa", 2), (notice("ali"), NOON), (notice("eve", about="e-2"), NOON)])

    assert len(found) == 3


def test_a_party_that_has_nobody_waits_for_a_contact() -> None:
    announcement = Announcement(
        id="e-1",
        type="certificate_issued",
        at=NOON,
        announced=True,
        parties=(MEMBER, BODY),
        audit_id="aud-1",
        certificate_number=195,
        facts={},
        nobody_until={MEMBER: (NOON, "rosa"), BODY: None},
    )

    (found,) = without_recipient(announcement)

    assert (found.who, found.case) == ("registrar", "aud-1")
    assert found.waits_for == "a contact of body dnv: nobody there can be told of the certificate"
