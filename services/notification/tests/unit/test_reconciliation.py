"""What a reconciliation is told of notices that say the same thing twice."""

import dataclasses
import json
from importlib import resources
from typing import Any

import pytest

from notification.reconciliation import announcements
from touchstone_contracts.envelope import unwrap

EXAMPLES = resources.files("touchstone_contracts") / "examples"


def deliver(bench: Any, *names: str) -> list[str]:
    """Hand over these events, all about one audit; answers their ids."""
    ids = []
    for place, name in enumerate(names):
        envelope, event = unwrap(json.loads((EXAMPLES / f"certification.{name}.v1.json").read_text("utf-8")))
        ids.append(f"event-{place}")
        told = dataclasses.replace(event, audit_id="aud-1")
        bench.handle("announce", told, dataclasses.replace(envelope, id=ids[-1]))()
    return ids


def repeats(bench: Any, ids: list[str]) -> int:
    return sum(len(told["repeats"]) for told in announcements(bench.begin()[1], ids))


@pytest.fixture
def told(bench: Any) -> Any:
    """A bench where the member has one contact."""
    envelope, event = unwrap(json.loads((EXAMPLES / "membership.contact_changed.v1.json").read_text("utf-8")))
    bench.handle("learn_contact", event, envelope)()
    return bench


@pytest.mark.parametrize(
    "name", ["certificate_issued", "certificate_maintained", "certificate_upgraded", "certificate_renewed"]
)
def test_a_decision_that_ends_an_audit_is_a_repeat_when_it_comes_under_another_id(told: Any, name: str) -> None:
    assert repeats(told, deliver(told, name, name)) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("certificate_downgraded", "certificate_scope_amended"),
        ("certificate_suspended", "certificate_withdrawn"),
        ("certificate_renewed", "certificate_suspended"),
    ],
    ids="+".join,
)
def test_two_things_that_came_of_one_audit_are_no_repeat(told: Any, names: tuple[str, str]) -> None:
    assert repeats(told, deliver(told, *names)) == 0
