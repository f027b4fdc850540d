"""What is announced, to whom and by which template stands in one file, which is refused when it is not sound."""

import copy
import json
from importlib import resources
from typing import Any

import pytest
from marshmallow import ValidationError

from notification.data import notice_rules
from touchstone_contracts.events.membership import EntityRegistered
from touchstone_contracts.values import Party, PartyKind

NEW = {
    "event": "membership.entity_registered",
    "audience": ["secretariat", "member"],
    "template": "certificate_issued",
    "about": "the entity",
    "once": False,
    "source": "a test",
    "confidence": "design",
}


@pytest.fixture
def document() -> Any:
    return json.loads(resources.files(notice_rules.__package__).joinpath("notice-rules-1.json").read_text("utf-8"))


def test_a_row_is_all_that_a_new_event_needs_to_be_announced_to_whom_the_row_says(document: Any) -> None:
    rule = notice_rules.parse(document | {"rules": [*document["rules"], NEW]})["entity_registered"]

    assert notice_rules.event_of(rule.event) is EntityRegistered
    assert rule.parties({"member_id": "qatalum"}) == (
        Party(kind=PartyKind.SECRETARIAT, id="secretariat"),
        Party(kind=PartyKind.MEMBER, id="qatalum"),
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"event": "certification.certificate_lost"},
        {"audience": []},
        {"audience": ["neighbours"]},
        {"audience": ["body"]},  # the event names none
        {"event": "certification.certificate_issued"},  # has its rule
        {"event": "certification.certificate_recorded"},  # a record
        {"source": ""},
        {"confidence": "certainly"},
        {"channel": "carrier pigeon"},
    ],
    ids=str,
)
def test_a_rule_that_is_not_sound_is_refused(document: Any, fault: dict[str, Any]) -> None:
    broken = copy.deepcopy(document) | {"rules": [*document["rules"], NEW | fault]}

    with pytest.raises(ValidationError):
        notice_rules.parse(broken)
