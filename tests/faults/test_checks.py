"""The checks themselves, fed with what they must find."""

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from harness import finding
from harness.checks import DOUBLED, LOST, PARKED, UNFINISHED, WRONG, Expected, Found, faults, mails_again

from touchstone_devkit.chaos.forging import Forgery, Reception

AUDIT, NUMBER = "body.report", 10_001
FORGERY = Forgery("e-9", "body.forged-1", "forged")
LETTER = {"id": "letter-1", "reason": "forged"}
STEP = "forged, no word of assessment: 'accepted by nobody'. Nothing came of it: dead letter letter-1"
TOLD = {"dead_letter": "letter-1", "reason": "forged"}
REFUSED = Reception(FORGERY, LETTER, [STEP], [TOLD])
NOTICE = {"_id": "n-1", "audit_id": AUDIT, "contact_id": "c-1", "state": "sent", "message_id": "<n-1@x>"}
DECISION = {"id": "e-1", "type": "certification.certificate_issued.v1", "data": {"audit_id": AUDIT}}
MAIL = ("<n-1@x>", "a@example.org")
EXPECTED = Expected(accepted={AUDIT: "issued"}, entity_ids={"works"}, mandate_ids={"mandate"}, contact_ids={"c-1"})
FOUND = Found(
    entity_ids=["works"],
    mandate_ids=["mandate"],
    audits=[{"_id": AUDIT, "state": "accepted"}],
    cases=[{"_id": AUDIT, "state": "decided"}],
    certificates=[{"audit_id": AUDIT, "number": NUMBER}],
    notices=[NOTICE],
    events=[DECISION],
    mails=[MAIL],
    dead_letters={},
    under_way={},
    receptions=[REFUSED],
)


def received(**changed: Any) -> Reception:
    return dataclasses.replace(REFUSED, **changed)


def test_they_are_silent_when_all_is_as_it_must_be() -> None:
    assert list(faults(EXPECTED, FOUND)) == []


def test_a_mail_may_come_again_with_its_message_id() -> None:
    repeated = dataclasses.replace(FOUND, mails=[MAIL, MAIL], events=[DECISION, DECISION])

    assert list(faults(EXPECTED, repeated)) == []
    assert mails_again(repeated) == 1


@pytest.mark.parametrize(
    ("changed", "kind", "sentence"),
    [
        ({"entity_ids": []}, LOST, "entity works is there 0 times"),
        ({"entity_ids": ["works", "more"]}, WRONG, "entity more is there and was not asked for"),
        ({"mandate_ids": ["mandate", "mandate"]}, DOUBLED, "mandate mandate is there 2 times"),
        ({"audits": [{"_id": AUDIT, "state": "submitted"}]}, LOST, f"{AUDIT} was accepted and is submitted"),
        ({"cases": []}, LOST, f"{AUDIT} is not decided"),
        ({"cases": [{"_id": AUDIT, "state": "held"}]}, LOST, f"{AUDIT} is not decided"),
        ({"cases": [*FOUND.cases, {"_id": "x", "state": "decided"}]}, WRONG, "x has a case and was not accepted"),
        ({"events": []}, LOST, f"{AUDIT}: announced [], not once issued"),
        (
            {"events": [DECISION, DECISION | {"id": "e-2"}]},
            DOUBLED,
            f"{AUDIT}: announced ['issued', 'issued'], not once issued",
        ),
        ({"certificates": []}, LOST, f"{AUDIT} was issued and has 0 certificates"),
        (
            {"certificates": [{"audit_id": AUDIT, "number": n} for n in (1, 2)]},
            DOUBLED,
            f"{AUDIT} was issued and has 2 certificates",
        ),
        (
            {"certificates": [{"audit_id": id, "number": 1} for id in (AUDIT, "x")]},
            DOUBLED,
            "certificate 1 stands twice",
        ),
        ({"notices": []}, LOST, f"notice on {AUDIT} to c-1 is there 0 times"),
        ({"notices": [NOTICE, NOTICE | {"_id": "n-2"}]}, DOUBLED, f"notice on {AUDIT} to c-1 is there 2 times"),
        ({"notices": [NOTICE | {"state": "pending"}]}, LOST, "n-1 is pending"),
        ({"notices": [NOTICE | {"message_id": "<lost@x>"}]}, LOST, "no mail <lost@x> arrived"),
        ({"mails": [MAIL, ("<n-9@x>", "a@example.org")]}, WRONG, "mail <n-9@x> belongs to no notice"),
        ({"mails": [MAIL, ("<n-1@x>", "b@example.org")]}, DOUBLED, "mail <n-1@x> went to several people"),
        ({"dead_letters": {"notification.dead-letter": 1}}, PARKED, "1 messages in notification.dead-letter"),
        ({"under_way": {"membership outbox": 2}}, UNFINISHED, "2 left in membership outbox"),
        ({"cases": [*FOUND.cases, {"_id": "body.forged-1", "state": "held"}]}, WRONG, "body.forged-1 has a case"),
        ({"receptions": [Reception(FORGERY, None)]}, WRONG, "was not parked"),
        ({"receptions": [received(letter=LETTER | {"reason": "unsigned"})]}, WRONG, "was parked as unsigned"),
        ({"receptions": [received(steps=[])]}, WRONG, "is not called that by `touchstone case`: []"),
        ({"receptions": [received(steps=[STEP, STEP])]}, WRONG, "is not called that by `touchstone case`"),
        ({"receptions": [received(steps=["accepted, letter-1"])]}, WRONG, "is not called that by `touchstone case`"),
        ({"receptions": [received(discrepancies=[])]}, WRONG, "is not called that by `touchstone reconcile`: []"),
        ({"receptions": [received(discrepancies=[TOLD, TOLD])]}, WRONG, "is not called that by `touchstone reconcile`"),
    ],
)
def test_they_find_what_is_lost_doubled_or_left(changed: dict[str, Any], kind: str, sentence: str) -> None:
    found = list(faults(EXPECTED, dataclasses.replace(FOUND, **changed)))

    assert [fault for fault in found if fault.kind == kind and sentence in fault.sentence]


def test_each_dead_letter_counts_where_one_sentence_stands_for_several() -> None:
    parked = dataclasses.replace(FOUND, dead_letters={"membership.dead-letter": 2, "notification.dead-letter": 3})

    assert sum(fault.count for fault in faults(EXPECTED, parked) if fault.kind == PARKED) == 5


def test_a_broker_that_cannot_be_asked_yet_is_asked_again_and_in_the_end_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = SimpleNamespace(under_way=dict, retrying=dict)
    system = SimpleNamespace(management_uri="http://nobody", amqp_uri="amqp://nobody/touchstone")
    answers: list[Any] = [requests.ConnectionError("refused"), SimpleNamespace(raise_for_status=int, json=list)]

    def get(*_: Any, **__: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(finding.requests, "get", get)
    monkeypatch.setattr(finding.time, "sleep", lambda _s: None)

    assert finding.left_over(cast(Any, nothing), cast(Any, system)) == {}
    answers.append(requests.ConnectionError("refused"))
    assert finding.left_over(cast(Any, nothing), cast(Any, system), within_s=-1) == {
        "a broker that cannot be asked (ConnectionError)": 1
    }
