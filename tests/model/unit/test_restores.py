"""Why a restore raises versions and numbers: else the service's next words are ignored, and numbers given twice."""

import datetime
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from simulation import checks, people, process
from simulation.looking import picture_of
from simulation.system import System

from touchstone_contracts.bookkeeping import VERSIONS_SKIPPED
from touchstone_testing.memory_mongo import MemoryDatabase

pytestmark = pytest.mark.usefixtures("fixed_time")

NUMBERS_SKIPPED = 10_000


@pytest.fixture
def system() -> Iterator[System]:
    with System() as system:
        people.accredit(system)
        for action in ("register", "activate"):
            people.change_membership(system, "m-1", action)
        people.register_sites(system)
        people.sign_mandate(system, 0, from_day=system.clock.today())
        system.settle()
        yield system


def put_back(database: MemoryDatabase, backup: Any, *, versions: int, numbers: int) -> None:
    """What `touchstone restore` does, with other leaps."""
    database.restore(backup)
    for name in list(database.snapshot()):
        for document in database[name].find({}):
            if isinstance(document.get("version"), int):
                raised = document | {"version": document["version"] + versions}
                database[name].replace_one({"_id": document["_id"]}, raised)
    database["sequences"].update_one({"_id": "certificates"}, {"$inc": {"last": numbers}})


@pytest.mark.parametrize(("leap", "still_good"), [(0, True), (VERSIONS_SKIPPED, False)])
def test_a_suspension_after_a_restore_counts_only_if_versions_go_on_above_those_that_were_forgotten(
    system: System, leap: int, still_good: bool
) -> None:
    membership = system.processes["membership"].database
    backup = membership.snapshot()
    for action in ("suspend", "reinstate"):
        people.change_membership(system, "m-1", action)
    system.settle()

    put_back(membership, backup, versions=leap, numbers=0)
    people.change_membership(system, "m-1", "suspend")
    system.settle()

    (standing,) = system.documents("certification", "member_standings")
    assert standing["good"] is still_good


@pytest.mark.parametrize(("leap", "given_twice"), [(0, True), (NUMBERS_SKIPPED, False)])
def test_a_number_is_given_twice_after_a_restore_unless_some_are_left_out(
    system: System, leap: int, given_twice: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "NUMBERS_AT_ONCE", 1)  # else the backup knows what was drawn and not given yet
    system.processes["certification"].restart()
    certification = system.processes["certification"].database
    _certify(system, 1, "m-1-works")
    backup = certification.snapshot()
    _certify(system, 2, "m-1-mill")

    put_back(certification, backup, versions=VERSIONS_SKIPPED, numbers=leap)
    system.processes["certification"].restart()
    _certify(system, 3, "m-1-line")

    numbers = Counter(message["data"]["number"] for message in picture_of(system).of_type(checks.ISSUED))
    assert (max(numbers.values()) > 1) is given_twice
    assert sum(numbers.values()) == 3


def _certify(system: System, number: int, entity: str) -> None:
    day = system.clock.today() - datetime.timedelta(days=3)
    report = people.report(number, body_id="b-1", entity=entity, standard=0, findings="conforming", audited_until=day)
    people.submit(system, report)
    system.call("assessment", "accept_audit_report", audit_id=f"b-1.r-{number}")
    system.settle()
