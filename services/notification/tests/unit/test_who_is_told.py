import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.certification import CertificateExpired, CertificateIssued
from touchstone_contracts.events.membership import ContactChanged
from touchstone_contracts.values import Level, Party, PartyKind, Place, Standard
from touchstone_testing.examples import examples

DAY = datetime.datetime(2026, 3, 5, tzinfo=datetime.UTC)
MEMBER = Party(kind=PartyKind.MEMBER, id="qatalum")
BODY = Party(kind=PartyKind.BODY, id="dnv")
SECRETARIAT = Party(kind=PartyKind.SECRETARIAT, id="secretariat")

Message = tuple[str, Any, Envelope]
DECIDING = ("catch_up", "check_announcement")


def at_minute(minute: float) -> datetime.datetime:
    return DAY + datetime.timedelta(minutes=minute)


def an_envelope(event: Any, id: str, minute: float, sequence: int) -> Envelope:
    return Envelope(
        id=id,
        type=event.type_name,
        source=f"/touchstone/{event.producer}",
        subject="-",
        time=at_minute(minute),
        sequence=sequence,
        correlationid="cor-1",
    )


def a_contact(
    id: str, party: Party, *, minute: float, sequence: int = 1, active: bool = True, language: str = "en"
) -> Message:
    event = ContactChanged(
        contact_id=id,
        party=party,
        name=id,
        address=f"{id}@example.org",
        roles=["certification"],
        language=language,
        channels=["email"],
        active=active,
    )
    return "learn_contact", event, an_envelope(event, f"{id}-{sequence}", minute, sequence)


def an_issue(id: str, *, minute: float, notify: bool = True) -> Message:
    event = CertificateIssued(
        certificate_id="certificate-195",
        number=195,
        level=Level.FULL,
        standard=Standard(code="PS", version="3.0"),
        audit_id="aud-1",
        member_id="qatalum",
        member_name="Qatar Aluminium Limited",
        entity=Place(id="e", name="Qatalum, Mesaieed", country="QA"),
        body_id="dnv",
        body_name="DNV",
        scope_text="Smelter",
        issued_on=datetime.date(2022, 4, 11),
        expires_on=datetime.date(2025, 4, 10),
        certified_since=datetime.date(2022, 4, 11),
        decided_by="secretariat-1",
        notify=notify,
    )
    return "announce", event, an_envelope(event, id, minute, 1)


def an_expiry(id: str, *, minute: float) -> Message:
    event = CertificateExpired(
        certificate_id="certificate-195",
        number=195,
        level=Level.FULL,
        standard=Standard(code="PS", version="3.0"),
        member_id="qatalum",
        member_name="Qatar Aluminium Limited",
        entity=Place(id="e", name="Qatalum, Mesaieed", country="QA"),
        body_id="dnv",
        body_name="DNV",
        expired_on=datetime.date(2025, 4, 10),
    )
    return "announce", event, an_envelope(event, id, minute, 2)


def deliver(bench: Any, *messages: Message) -> None:
    for handler, event, envelope in messages:
        bench.handle(handler, event, envelope)()
    bench.now += datetime.timedelta(minutes=1)
    bench.run_due(*DECIDING)


def told(bench: Any) -> set[tuple[str, str]]:
    return {(n["about"], n["contact_id"]) for n in bench.notices() if n["state"] != "not_due"}


def test_everyone_concerned_is_told_once(bench: Any) -> None:
    deliver(
        bench,
        a_contact("member-1", MEMBER, minute=0),
        a_contact("member-2", MEMBER, minute=0),
        a_contact("body-1", BODY, minute=0),
        a_contact("office", SECRETARIAT, minute=0),
        a_contact("stranger", Party(kind=PartyKind.MEMBER, id="alcoa"), minute=0),
        an_issue("issue", minute=1),
        an_issue("issue", minute=1),
    )

    assert told(bench) == {("issue", "member-1"), ("issue", "member-2"), ("issue", "body-1"), ("issue", "office")}


def test_the_notices_are_made_with_the_event_not_later(bench: Any) -> None:
    bench.handle(*a_contact("member-1", MEMBER, minute=0))()

    bench.handle(*an_issue("issue", minute=1))()

    assert told(bench) == {("issue", "member-1")}
    assert [deadline.key for deadline in bench.due_of("send_notice")] == [n["_id"] for n in bench.notices()]


def test_a_contact_that_existed_before_is_told_although_its_event_comes_later(bench: Any) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0), an_issue("issue", minute=5))

    deliver(bench, a_contact("member-2", MEMBER, minute=5))

    assert told(bench) == {("issue", "member-1"), ("issue", "member-2")}


def test_the_first_contact_of_a_party_that_had_nobody_is_told_of_what_happened_before(bench: Any) -> None:
    deliver(bench, *(an_issue(f"issue-{i}", minute=i) for i in range(5)))

    deliver(bench, a_contact("member-1", MEMBER, minute=100))

    assert told(bench) == {(f"issue-{i}", "member-1") for i in range(5)}


def test_a_contact_added_later_to_a_party_that_had_somebody_is_not_told_of_old_events(bench: Any) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0), an_issue("issue", minute=1))

    deliver(bench, a_contact("member-2", MEMBER, minute=2), an_expiry("expiry", minute=3))

    assert told(bench) == {("issue", "member-1"), ("expiry", "member-1"), ("expiry", "member-2")}


@pytest.mark.parametrize("order", [1, -1])
def test_an_inactive_contact_is_not_told_whichever_change_came_first(bench: Any, order: int) -> None:
    changes = [
        a_contact("member-1", MEMBER, minute=0),
        a_contact("member-1", MEMBER, minute=1, sequence=2, active=False),
    ]

    deliver(bench, *changes[::order], an_issue("issue", minute=2))

    assert told(bench) == set()


def test_an_older_change_that_arrives_late_does_not_undo_a_newer_one(bench: Any) -> None:
    deliver(
        bench,
        a_contact("member-1", MEMBER, minute=1, sequence=2, language="fr"),
        a_contact("member-1", MEMBER, minute=0, sequence=1, language="de"),
    )

    assert bench.contact("member-1")["language"] == "fr"


def test_an_event_without_notify_is_kept_and_told_to_nobody(bench: Any) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0), an_issue("issue", minute=1, notify=False))
    deliver(bench, a_contact("body-1", BODY, minute=0), a_contact("office", SECRETARIAT, minute=9))

    assert [a["announced"] for a in bench.documents("announcements")] == [False]
    assert bench.notices() == []


def test_a_notice_made_for_the_second_to_come_is_not_due_once_the_first_turns_out_to_have_come_earlier(
    bench: Any,
) -> None:
    deliver(bench, an_issue("issue", minute=0), a_contact("late", MEMBER, minute=9))

    deliver(bench, a_contact("early", MEMBER, minute=5))

    assert told(bench) == {("issue", "early")}
    assert [deadline.key for deadline in bench.due_of("send_notice")] == [
        n["_id"] for n in bench.notices() if n["contact_id"] == "early"
    ]


def test_a_contact_and_an_event_that_are_stored_at_the_same_moment_find_each_other(bench: Any) -> None:
    commit_event = bench.handle(*an_issue("issue", minute=1))
    bench.handle(*a_contact("member-1", MEMBER, minute=0))()
    bench.run_due("catch_up")
    commit_event()

    bench.now += datetime.timedelta(minutes=1)
    bench.run_due("check_announcement")

    assert told(bench) == {("issue", "member-1")}


def test_more_old_events_than_one_batch_are_all_told(bench: Any) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0), *(an_issue(f"issue-{i}", minute=5) for i in range(7)))

    deliver(bench, a_contact("member-2", MEMBER, minute=0))

    assert {(f"issue-{i}", "member-2") for i in range(7)} <= told(bench)


def test_a_notice_that_was_not_due_becomes_due_when_its_person_turns_out_to_be_the_right_one(bench: Any) -> None:
    deliver(bench, an_issue("issue", minute=1), a_contact("second", MEMBER, minute=9))
    deliver(bench, a_contact("first", MEMBER, minute=5))

    deliver(bench, a_contact("second", MEMBER, minute=1, sequence=2))

    assert told(bench) == {("issue", "second")}


def test_of_two_who_came_at_the_same_moment_one_is_told_whoever_is_announced_first(new_bench: Any) -> None:
    arrivals = [a_contact("a", MEMBER, minute=5), a_contact("b", MEMBER, minute=5)]

    for order in (arrivals, arrivals[::-1]):
        bench = new_bench()
        deliver(bench, an_issue("issue", minute=0))
        for arrival in order:
            deliver(bench, arrival)
        assert told(bench) == {("issue", "a")}


def test_a_notice_holds_no_address(bench: Any) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0), an_issue("issue", minute=1))

    kept = [document for name in bench.database.snapshot() if name != "contacts" for document in bench.documents(name)]
    assert "deadlines" in bench.database.snapshot() and "@example.org" not in str(kept)


# ---- what is read ------------------------------------------------------------------------------------------------


def test_announcing_reads_the_contacts_and_the_check_after_it_whether_they_have_changed(bench: Any) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0))

    announcing = bench.reads_of(*an_issue("issue", minute=1))
    bench.now += datetime.timedelta(minutes=1)
    (check,) = bench.due_of("check_announcement")
    unchanged = bench.reads_of("check_announcement", check)

    assert (announcing, unchanged) == (["contacts"], ["contacts"])


@pytest.mark.parametrize(
    ("change", "told_then"),
    [
        ({"sequence": 2, "active": False}, set()),
        ({"id": "member-2"}, {("issue", "member-1"), ("issue", "member-2")}),
    ],
)
def test_the_check_looks_at_everything_when_a_contact_has_changed_or_come_along(
    bench: Any, change: dict[str, Any], told_then: set[tuple[str, str]]
) -> None:
    deliver(bench, a_contact("member-1", MEMBER, minute=0))
    bench.handle(*an_issue("issue", minute=5))()
    bench.handle(*a_contact(**{"id": "member-1", "party": MEMBER, "minute": 1} | change))()
    bench.now += datetime.timedelta(minutes=1)
    (check,) = bench.due_of("check_announcement")

    assert bench.reads_of("check_announcement", check) == ["contacts", "announcements", "contacts", "notices"]
    assert told(bench) == told_then


def test_a_check_that_an_earlier_release_left_behind_looks_at_everything(bench: Any) -> None:
    bench.handle(*an_issue("issue", minute=1))()
    bench.handle(*a_contact("member-1", MEMBER, minute=0))()
    bench.now += datetime.timedelta(minutes=1)
    (check,) = bench.due_of("check_announcement")

    bench.handle("check_announcement", dataclasses.replace(check, payload={}))()

    assert told(bench) == {("issue", "member-1")}


# ---- any order, doubled, and at the same time -------------------------------------------------------------------

PARTIES = (MEMBER, BODY, SECRETARIAT)


@st.composite
def worlds(draw: st.DrawFn) -> list[Message]:
    """Contacts with a few changes each, and certificate events; moments may coincide, or lie behind the sequence."""
    minutes = st.integers(0, 6)
    messages: list[Message] = []
    for number in range(draw(st.integers(0, 4))):
        party = draw(st.sampled_from(PARTIES))
        for sequence in range(1, draw(st.integers(1, 3)) + 1):
            active = draw(st.booleans())
            contact = a_contact(f"c{number}", party, minute=draw(minutes), sequence=sequence, active=active)
            messages.append(contact)
    for number in range(draw(st.integers(1, 4))):
        messages.append(an_issue(f"e{number}", minute=draw(minutes), notify=draw(st.integers(0, 4)) > 0))
    return messages


def expected(messages: list[Message]) -> set[tuple[str, str]]:
    """The rule, read off the whole history at once."""
    changes = [(m[1], m[2]) for m in messages if m[0] == "learn_contact"]
    result: set[tuple[str, str]] = set()
    for _, _event, envelope in (m for m in messages if m[0] == "announce" and m[1].notify):
        for party in PARTIES:
            here = [(c, e) for c, e in changes if c.party == party]
            before: dict[str, tuple[int, bool]] = {}
            for change, when in here:
                if when.time <= envelope.time:
                    before[change.contact_id] = max(
                        before.get(change.contact_id, (0, False)), (when.sequence, change.active)
                    )
            present = {id for id, (_, active) in before.items() if active}
            afterwards = [(when.time, c.contact_id) for c, when in here if when.time > envelope.time and c.active]
            first = {min(afterwards)[1]} if afterwards else set()
            result |= {(envelope.id, id) for id in (present or first)}
    return result


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds(), data=st.data())
def test_any_order_and_doubling_of_events_gives_the_same_set_of_notices(
    new_bench: Callable[[], Any], world: list[Message], data: st.DataObject
) -> None:
    bench = new_bench()
    arriving = data.draw(st.permutations(world + data.draw(st.lists(st.sampled_from(world), max_size=4))))

    _hand_over(bench, arriving, data, also_send=False)

    assert told(bench) == expected(world)
    assert len({(n["about"], n["contact_id"]) for n in bench.notices()}) == len(bench.notices())


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds(), data=st.data())
def test_nobody_is_ever_mailed_twice_and_whoever_must_be_told_is_unless_inactive_by_then(
    new_bench: Callable[[], Any], world: list[Message], data: st.DataObject
) -> None:
    bench = new_bench()
    arriving = data.draw(st.permutations(world + data.draw(st.lists(st.sampled_from(world), max_size=4))))

    _hand_over(bench, arriving, data, also_send=True)

    states = {(n["about"], n["contact_id"]): n["state"] for n in bench.notices()}
    ids = [mail["Message-ID"] for mail in bench.mails]
    assert len(ids) == len(set(ids))
    assert {states[pair] for pair in expected(world)} <= {"sent", "cancelled"}
    assert sum(state == "sent" for state in states.values()) == len(ids)
    once_inactive = {m[1].contact_id for m in world if m[0] == "learn_contact" and not m[1].active}
    assert {id for (_, id), state in states.items() if state == "cancelled"} <= once_inactive


def _hand_over(bench: Any, arriving: list[Message], data: st.DataObject, *, also_send: bool) -> None:
    """Messages in the order given; deadlines in between; now and then one decides before another commits."""
    kinds = (*DECIDING, "send_notice") if also_send else DECIDING
    unfinished: Callable[[], None] | None = None
    for handler, event, envelope in arriving:
        commit = bench.handle(handler, event, envelope)
        if unfinished:
            unfinished()
            unfinished = None
        if data.draw(st.booleans(), label="another one comes before this one is written"):
            unfinished = commit
        else:
            commit()
        if data.draw(st.booleans(), label="deadlines run"):
            bench.now += datetime.timedelta(seconds=data.draw(st.sampled_from([0, 10])))
            bench.run_due(*kinds)
    if unfinished:
        unfinished()
    bench.now += datetime.timedelta(minutes=1)
    bench.run_due(*kinds)


@pytest.mark.parametrize("field", ["name", "address"])
def test_a_repeated_change_is_recognised_by_its_sequence(bench: Any, field: str) -> None:
    handler, event, envelope = a_contact("member-1", MEMBER, minute=0)
    bench.handle(handler, event, envelope)()

    bench.handle(handler, dataclasses.replace(event, **{field: "x@example.net"}), envelope)()

    assert bench.contact("member-1")[field] == getattr(event, field)
