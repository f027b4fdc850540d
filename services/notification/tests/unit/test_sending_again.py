"""A notice that did not go out goes out after all: by itself when its contact is mended, or on somebody's word."""

import dataclasses
import datetime
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from notification.channels import smtp as mailer
from notification.data import delivery_ladder
from notification.domain.notices.notice import OUTDATED, NoticeState
from notification.schemas.notices import SendNoticesAgain
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.errors import IllegalTransition, NotFound
from touchstone_testing.examples import examples

DAY = datetime.timedelta(days=1)
PERSON = "qatalum-sustainability"
OLD, NEW = "old@example.org", "new@example.org"


def example(name: str, /, **changes: Any) -> tuple[Any, Any]:
    text = resources.files("touchstone_contracts").joinpath(f"examples/{name}.v1.json").read_text("utf-8")
    envelope, event = unwrap(json.loads(text))
    return dataclasses.replace(event, **changes), envelope


class Told:
    """A bench on which the example's contact is told of so many issues."""

    def __init__(self, bench: Any) -> None:
        self.bench, self._changes = bench, 0
        self.contact(address=OLD)

    def contact(self, **changes: Any) -> None:
        """The registrar sets the contact; what comes of it by itself is carried out, but for the sending."""
        self.change(**changes)
        self.bench.run_due("send_again", "catch_up", "check_announcement")

    def change(self, **changes: Any) -> None:
        self._changes += 1
        event, envelope = example("membership.contact_changed", **changes)
        later = {"sequence": self._changes, "time": envelope.time + (self._changes - 1) * DAY}
        envelope = dataclasses.replace(envelope, id=f"c-{self._changes}", **later)
        self.bench.handle("learn_contact", event, envelope)()

    def of(self, number: int = 1) -> None:
        for one in range(number):
            event, envelope = example("certification.certificate_issued")
            self.bench.handle("announce", event, dataclasses.replace(envelope, id=f"e-{one}"))()
        self.send()

    def send(self) -> None:
        self.bench.run_due("send_notice", "send_again")

    def again(self, **request: Any) -> Any:
        return self.bench.call("send_notices_again", SendNoticesAgain(), **request)

    @property
    def states(self) -> list[str]:
        return [notice["state"] for notice in self.bench.notices()]

    @property
    def notice_id(self) -> str:
        return str(self.bench.notices()[0]["_id"])

    @property
    def mailed(self) -> list[str]:
        """To which address each mail went that the server took."""
        return [mail["To"].addresses[0].addr_spec for mail in self.bench.mails if self.takes(mail)]

    @staticmethod
    def takes(mail: Any) -> bool:
        return bool(mail["To"].addresses[0].addr_spec == NEW)


def refusing(mail: Any) -> mailer.Outcome:
    return mailer.Taken() if Told.takes(mail) else mailer.Refused(550, "no such person")


def away(mail: Any) -> mailer.Outcome:
    return mailer.Taken() if Told.takes(mail) else mailer.PutOff(451, "later")


@pytest.fixture
def told(bench: Any) -> Told:
    bench.answer = refusing
    return Told(bench)


def give_up(told: Told) -> None:
    told.bench.answer = away
    told.of()
    told.bench.now += DAY
    for _ in range(5):
        told.send()
        told.bench.now += DAY


def test_the_ladder_is_one_of_four_to_five_days_with_two_tries_in_the_first_hour_and_one_in_each_three_after() -> None:
    delays_s = delivery_ladder.DELAYS_S

    after_s = [sum(delays_s[: number + 1]) for number in range(len(delays_s))]
    assert 4 * 86400 <= after_s[-1] <= 5 * 86400
    assert len([moment for moment in after_s if moment <= 3600]) >= 2
    assert all(2 * 3600 <= delay_s <= 3 * 3600 for delay_s, at in zip(delays_s, after_s, strict=True) if at > 3600)


@pytest.mark.parametrize("spoilt", [{"steps": []}, {"steps": [{"delay_s": 0, "times": 1}]}, {"delivery_ladder": 0}])
def test_a_ladder_that_is_not_sound_is_refused(spoilt: dict[str, Any]) -> None:
    document = json.loads(
        resources.files(delivery_ladder.__package__).joinpath("delivery-ladder-1.json").read_text("utf-8")
    )

    with pytest.raises(ValidationError):
        delivery_ladder.parse(document | spoilt)


def test_what_was_refused_for_good_goes_out_by_itself_once_the_address_is_mended(told: Told) -> None:
    told.of()
    before = told.states

    told.contact(address=NEW)
    told.send()

    assert (before, told.states, told.mailed) == (["failed"], ["sent"], [NEW])


def test_what_was_given_up_goes_out_by_itself_once_the_address_is_mended(told: Told) -> None:
    give_up(told)
    before = told.states

    told.contact(address=NEW)
    told.send()

    assert (before, told.states, told.mailed) == (["dead"], ["sent"], [NEW])


def test_what_was_cancelled_goes_out_by_itself_once_the_contact_can_be_told_again(told: Told) -> None:
    told.bench.answer = lambda _mail: mailer.Taken()
    event, envelope = example("certification.certificate_issued")
    told.bench.handle("announce", event, envelope)()
    told.contact(address=NEW, active=False)
    told.send()
    before = told.states

    told.contact(address=NEW, active=True)
    told.send()

    assert (before, told.states, told.mailed) == (["cancelled"], ["sent"], [NEW])


@pytest.mark.parametrize("change", [{"language": "fr"}, {"name": "Another Name"}, {"active": False}])
def test_a_change_that_mends_nothing_sends_nothing(told: Told, change: dict[str, Any]) -> None:
    told.of()
    mails = len(told.bench.mails)

    told.contact(address=OLD, **change)
    told.send()

    assert (told.states, len(told.bench.mails)) == (["failed"], mails)


def test_a_message_that_came_late_and_says_what_was_before_sends_nothing(told: Told) -> None:
    told.contact(address=OLD)
    told.of()
    mails = len(told.bench.mails)

    told._changes = 0
    event, envelope = example("membership.contact_changed", address=NEW)
    told.bench.handle("learn_contact", event, dataclasses.replace(envelope, id="late", sequence=0))()
    told.send()

    assert (told.states, len(told.bench.mails)) == (["failed"], mails)


def test_what_is_outdated_goes_out_on_somebodys_word_alone(told: Told) -> None:
    told.of()
    told.bench.now += OUTDATED + DAY

    told.contact(address=NEW)
    told.send()
    by_itself = told.states
    told.again(contact_id=PERSON)
    told.send()

    assert (by_itself, told.states) == (["failed"], ["sent"])


def test_a_contact_that_is_mended_while_its_mail_is_under_way_is_told_all_the_same(told: Told) -> None:
    event, envelope = example("certification.certificate_issued")
    told.bench.handle("announce", event, envelope)()
    (sending,) = told.bench.due_of("send_notice")
    mark = told.bench.handle("send_notice", sending)  # went to the old address, and is not marked yet

    told.contact(address=NEW)
    mark()
    before = told.states
    told.send()

    assert (before, told.states, told.mailed) == (["failed"], ["sent"], [NEW])


def test_an_address_that_is_still_wrong_is_tried_once_for_each_time_that_it_is_mended(told: Told) -> None:
    told.of(7)

    told.contact(address="still-wrong@example.org")
    told.send()

    assert told.states == ["failed"] * 7
    assert len(told.bench.mails) == 14


def test_however_much_did_not_go_out_goes_out_once_each_a_batch_at_a_time(told: Told) -> None:
    told.of(7)  # a batch is of two

    told.contact(address=NEW)
    told.send()

    assert told.states == ["sent"] * 7
    assert told.mailed == [NEW] * 7


def test_somebody_may_have_one_notice_sent_again_and_the_tries_begin_anew(told: Told) -> None:
    give_up(told)
    told.bench.answer = lambda _mail: mailer.PutOff(451, "later")

    (shown,) = told.again(notice_id=told.notice_id)["items"]
    told.send()

    assert (shown["notice_id"], shown["state"]) == (told.notice_id, NoticeState.PENDING)
    assert told.states == ["pending"] and told.bench.notices()[0]["attempts"] == 1
    (next_try,) = [job for job in told.bench.documents("deadlines") if job["kind"] == "send_notice"]
    assert next_try["due_at"] == told.bench.now + datetime.timedelta(seconds=10)


def test_asked_twice_it_is_sent_once(told: Told) -> None:
    told.of()
    told.bench.answer = lambda _mail: mailer.Taken()
    tried = len(told.bench.mails)

    told.again(notice_id=told.notice_id)
    told.again(notice_id=told.notice_id)
    told.again(contact_id=PERSON)
    told.send()

    assert (told.states, len(told.bench.mails)) == (["sent"], tried + 1)


def test_a_notice_that_waits_for_its_next_try_is_tried_at_once(told: Told) -> None:
    told.bench.answer = lambda _mail: mailer.PutOff(451, "later")
    told.of()
    told.bench.answer = lambda _mail: mailer.Taken()

    told.again(notice_id=told.notice_id)
    told.send()

    assert told.states == ["sent"]


def test_a_notice_that_was_sent_goes_out_again_under_a_message_id_of_its_own(told: Told) -> None:
    told.bench.answer = lambda _mail: mailer.Taken()
    told.of()
    ids = []

    for _ in range(2):
        told.again(notice_id=told.notice_id)
        told.send()
        ids.append(told.bench.mails[-1]["Message-ID"])

    assert told.states == ["sent"]
    assert ids == [f"<{told.notice_id}.2@touchstone.example>", f"<{told.notice_id}.3@touchstone.example>"]


def test_all_of_a_contact_is_what_did_not_go_out_page_by_page(told: Told) -> None:
    told.of(5)
    told.bench.answer = lambda _mail: mailer.Taken()
    told.again(notice_id=told.notice_id)
    told.send()

    first = told.again(contact_id=PERSON, limit=3)
    second = told.again(contact_id=PERSON, limit=3, after=first["next"])

    assert (len(first["items"]), len(second["items"]), second["next"]) == (3, 1, None)
    assert sorted(told.states) == ["pending"] * 4 + ["sent"]


def test_what_cannot_be_sent_again_is_refused_and_says_why(told: Told) -> None:
    told.of()
    with pytest.raises(NotFound, match="no notice"):
        told.again(notice_id="ntc-0")
    with pytest.raises(NotFound, match="no contact"):
        told.again(contact_id="nobody")

    told.contact(address=OLD, active=False)

    for named in ({"notice_id": told.notice_id}, {"contact_id": PERSON}):
        with pytest.raises(IllegalTransition, match="activate the contact"):
            told.again(**named)


@pytest.mark.parametrize("state", list(NoticeState))
def test_from_every_state_there_is_a_way_back_to_the_mail_server(told: Told, state: NoticeState) -> None:
    """Of one that is not due, recipient resolution knows the way: test_who_is_told.py."""
    told.of()
    told.bench.database["notices"].update_one({"_id": told.notice_id}, {"$set": {"state": state.value}})
    told.bench.answer = lambda _mail: mailer.Taken()

    if state is NoticeState.NOT_DUE:
        with pytest.raises(IllegalTransition, match="somebody else"):
            told.again(notice_id=told.notice_id)
    else:
        told.again(notice_id=told.notice_id)
        told.send()
        assert told.states == ["sent"]


STEPS = st.lists(
    st.sampled_from(["mend", "spoil", "leave", "return", "one", "all", "send", "hour", "day"]), min_size=1, max_size=25
)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_on_the_way_everything_goes_out_once_the_address_is_right(
    new_bench: Callable[[], Any], steps: list[str]
) -> None:
    bench = new_bench()
    bench.answer = refusing
    told = Told(bench)
    told.of(3)
    number = 0

    for step in steps:
        number += 1
        if step in ("mend", "spoil", "leave", "return"):
            address = NEW if step == "mend" else f"wrong-{number}@example.org"
            told.contact(address=address, active=step != "leave")
        elif step in ("one", "all"):
            try:
                told.again(**({"notice_id": told.notice_id} if step == "one" else {"contact_id": PERSON}))
            except IllegalTransition:
                continue
        elif step == "send":
            told.send()
        else:
            bench.now += DAY / 24 if step == "hour" else DAY
    told.contact(address=NEW)
    told.contact(address=OLD)
    told.contact(address=NEW)
    told.send()

    assert told.states == ["sent"] * 3
    ids = [mail["Message-ID"] for mail in bench.mails if told.takes(mail)]
    assert len(ids) == len(set(ids))
