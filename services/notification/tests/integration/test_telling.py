import datetime
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_contracts.errors import Forbidden
from touchstone_contracts.values import Party, PartyKind
from touchstone_devkit.eventually import eventually

MEMBER = Party(kind=PartyKind.MEMBER, id="qatalum")
BODY = Party(kind=PartyKind.BODY, id="dnv")
SECRETARIAT = Party(kind=PartyKind.SECRETARIAT, id="secretariat")
PEOPLE = {"member-1": MEMBER, "body-1": BODY, "office": SECRETARIAT}
ISSUED = "certification.certificate_issued"
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


@pytest.fixture
def introduce(neighbours: Any, example: Callable[..., Any]) -> Callable[..., None]:
    """Announces a contact."""

    def announce(
        id: str, party: Party, *, address: str = "", at: Any = YESTERDAY, sequence: int = 1, **more: Any
    ) -> None:
        address = address or f"{id}@example.org"
        event = example("membership.contact_changed", contact_id=id, party=party, name=id, address=address, **more)
        neighbours.announce(event, at=at, sequence=sequence)

    return announce


@pytest.fixture
def notices(database: Any) -> Callable[..., list[dict[str, Any]]]:
    """Gives the notices in a state, once there are that many; fails when there never are."""

    def in_state(state: str, count: int) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            return list(database["notices"].find({"state": state}).sort("contact_id"))

        return eventually(lambda: (there := found()) and len(there) >= count and there, within_s=20)

    return in_state


@pytest.fixture
def everybody(running: Any, introduce: Callable[..., None], database: Any) -> None:
    """One person for each party, known to the service."""
    for id, party in PEOPLE.items():
        introduce(id, party)
    eventually(lambda: database["contacts"].count_documents({}) == len(PEOPLE))


def quiet(database: Any) -> bool:
    """Nothing is left to do."""
    return bool(eventually(lambda: database["deadlines"].count_documents({}) == 0, within_s=20))


def test_an_issued_certificate_is_told_to_member_body_and_secretariat_by_mail(
    everybody: None, neighbours: Any, example: Any, notices: Any, mail_server: Any
) -> None:
    about = neighbours.announce(example(ISSUED))

    sent = notices("sent", 3)

    mails = mail_server.mails()
    assert sorted(mail["to"][0] for mail in mails) == [f"{id}@example.org" for id in sorted(PEOPLE)]
    assert {mail["headers"]["Message-ID"] for mail in mails} == {notice["message_id"] for notice in sent}
    assert all("Valid until:  10 April 2025" in mail["text"] for mail in mails)
    heard = eventually(lambda: (events := neighbours.heard()) and len(events) == 3 and events)
    assert {(event.about, event.contact_id) for event in heard} == {(about, id) for id in PEOPLE}


@pytest.mark.parametrize(
    "name",
    [
        "certificate_issued",
        "certification_refused",
        "certification_held",
        "certificate_expired",
        "certificate_suspended",
        "certificate_renewed",
    ],
)
def test_every_certificate_event_is_told(
    everybody: None, neighbours: Any, example: Any, notices: Any, name: str
) -> None:
    neighbours.announce(example(f"certification.{name}"))

    assert {(n["type"], n["contact_id"]) for n in notices("sent", 3)} == {(name, id) for id in PEOPLE}


def test_an_event_that_is_delivered_again_makes_no_second_notice_even_when_the_inbox_forgot_it(
    everybody: None, neighbours: Any, example: Any, notices: Any, mail_server: Any, database: Any
) -> None:
    about = neighbours.announce(example(ISSUED))
    notices("sent", 3)

    neighbours.announce(example(ISSUED), id=about)
    database["inbox"].delete_many({})
    neighbours.announce(example(ISSUED), id=about)

    later = neighbours.announce(example("certification.certificate_expired"))
    notices("sent", 6)
    assert quiet(database)
    assert database["notices"].count_documents({"about": about}) == 3
    assert database["notices"].count_documents({"about": later}) == 3
    assert len(mail_server.mails()) == 6


def test_who_was_there_before_the_event_is_told_although_it_is_announced_after_it(
    running: Any, neighbours: Any, introduce: Any, example: Any, notices: Any, database: Any
) -> None:
    events = [neighbours.announce(example(ISSUED)) for _ in range(5)]
    eventually(lambda: database["announcements"].count_documents({}) == 5)

    for id, party in PEOPLE.items():
        introduce(id, party)

    sent = notices("sent", 15)
    assert {(n["about"], n["contact_id"]) for n in sent} == {(event, id) for event in events for id in PEOPLE}


def test_a_mail_server_that_is_away_holds_nothing_up_and_gets_its_mail_later(
    everybody: None, neighbours: Any, example: Any, notices: Any, mail_server: Any, database: Any
) -> None:
    mail_server.stop()
    about = neighbours.announce(example(ISSUED))
    waiting = eventually(lambda: list(database["notices"].find({"about": about, "attempts": {"$gte": 1}})))
    another = neighbours.announce(example(ISSUED))
    eventually(lambda: database["announcements"].find_one({"_id": another}))

    mail_server.start()

    sent = notices("sent", 6)
    assert {notice["state"] for notice in waiting} == {"pending"}
    assert waiting[0]["last_error"].startswith("ConnectionRefusedError")
    assert len(mail_server.mails()) == 6
    assert {n["message_id"] for n in sent} == {m["headers"]["Message-ID"] for m in mail_server.mails()}
    assert neighbours.given_up() == 0


def test_what_the_mail_server_refuses_for_good_has_failed_and_its_words_are_kept_without_the_address(
    running: Any, neighbours: Any, introduce: Any, example: Any, notices: Any, database: Any
) -> None:
    introduce("at-once", MEMBER, address="refused@example.org")
    introduce("in-the-end", BODY, address="chatty@example.org")
    neighbours.announce(example(ISSUED))

    failed = notices("failed", 2)

    assert [(n["reply_code"], n["last_error"]) for n in failed] == [
        (550, "5.1.1 <r•••@example.org>: no such person"),
        (554, "5.7.1 mail to <c•••@example.org> looks like advertising"),
    ]
    assert quiet(database)
    assert neighbours.given_up() == 0


def test_what_was_refused_goes_out_by_itself_when_the_address_is_mended(
    running: Any, neighbours: Any, introduce: Any, example: Any, notices: Any, mail_server: Any, database: Any
) -> None:
    introduce("member-1", MEMBER, address="refused@example.org")
    for _ in range(3):  # more than a batch
        neighbours.announce(example(ISSUED))
    notices("failed", 3)

    introduce("member-1", MEMBER, address="right@example.org", sequence=2, at=datetime.datetime.now(datetime.UTC))

    notices("sent", 3)
    assert quiet(database)
    assert [mail["to"] for mail in mail_server.mails()] == [["right@example.org"]] * 3


def test_what_was_given_up_is_sent_on_the_registrars_word_once(
    running: Any, neighbours: Any, introduce: Any, example: Any, notices: Any, mail_server: Any, calling: Any
) -> None:
    mail_server.stop()
    introduce("member-1", MEMBER)
    neighbours.announce(example(ISSUED))
    (dead,) = notices("dead", 1)
    mail_server.start()

    registrar, key = calling("registrar").notification, "once"
    first = registrar.send_notices_again(notice_id=dead["_id"], idempotency_key=key)
    again = registrar.send_notices_again(notice_id=dead["_id"], idempotency_key=key)

    notices("sent", 1)
    assert first == again and first["items"][0]["state"] == "pending"
    assert [mail["headers"]["Message-ID"] for mail in mail_server.mails()] == [dead["message_id"]]
    with pytest.raises(Forbidden):
        calling("secretariat").notification.send_notices_again(contact_id="member-1")


def test_names_come_to_the_mail_server_as_they_are(
    running: Any, neighbours: Any, example: Any, notices: Any, mail_server: Any, database: Any
) -> None:
    name = "Person, Ph. D. (Head of Sustainability <Gulf> [acting]; all sites), and a long name at that"
    person = example(
        "membership.contact_changed", contact_id="member-1", party=MEMBER, name=name, address="p@example.org"
    )
    neighbours.announce(person, at=YESTERDAY)
    neighbours.announce(example(ISSUED))

    notices("sent", 1)

    (mail,) = mail_server.mails()
    assert mail["to"] == ["p@example.org"]
    assert mail["headers"]["To"] == f'"{name}" <p@example.org>'


def test_what_the_mail_server_puts_off_too_often_is_given_up(
    running: Any, neighbours: Any, introduce: Any, example: Any, notices: Any, database: Any
) -> None:
    introduce("member-1", MEMBER, address="later@example.org")
    neighbours.announce(example(ISSUED))

    (dead,) = notices("dead", 1)

    assert (dead["attempts"], dead["reply_code"]) == (4, 451)
    assert quiet(database)


def test_a_notice_waits_on_the_shelf_while_no_process_runs(
    neighbours: Any, start: Any, introduce: Any, example: Any, notices: Any, mail_server: Any, database: Any
) -> None:
    mail_server.stop()
    with start():
        introduce("member-1", MEMBER)
        neighbours.announce(example(ISSUED))
        eventually(lambda: database["notices"].find_one({"attempts": {"$gte": 1}}))
    mail_server.start()

    with start():
        assert len(notices("sent", 1)) == 1

    assert len(mail_server.mails()) == 1


def test_two_replicas_tell_each_person_once(
    neighbours: Any, start: Any, introduce: Any, example: Any, notices: Any, mail_server: Any, database: Any
) -> None:
    with start(), start():
        for id, party in PEOPLE.items():
            introduce(id, party)
        for number in range(10):
            neighbours.announce(example(ISSUED), id=f"event-{number}")
        notices("sent", 30)
        assert quiet(database)

    ids = [mail["headers"]["Message-ID"] for mail in mail_server.mails()]
    assert len(ids) == len(set(ids)) == 30


def test_an_address_stands_in_the_contact_store_and_nowhere_else(
    everybody: None, neighbours: Any, example: Any, notices: Any, database: Any
) -> None:
    neighbours.announce(example(ISSUED))
    notices("sent", 3)
    assert quiet(database)

    holding = [
        name
        for name in database.list_collection_names()
        if any("@example.org" in str(document) for document in database[name].find())
    ]

    assert holding == ["contacts"]


def test_imported_history_is_kept_and_told_to_nobody(
    everybody: None, neighbours: Any, example: Any, database: Any, mail_server: Any
) -> None:
    about = neighbours.announce(example(ISSUED, notify=False))

    announcement = eventually(lambda: database["announcements"].find_one({"_id": about}))

    assert announcement["announced"] is False
    assert quiet(database)
    assert database["notices"].count_documents({}) == 0
    assert mail_server.mails() == []
