"""Obligations are published as versions: when that is refused, which ones a membership rests on, and what is kept."""

import datetime
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from membership.data.obligations import faults, obligations_of, shipped
from membership.domain.organisations.organisation import Organisation
from membership.service import MembershipService
from membership.storage.obligations import publish_shipped
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import AlreadyExists, InvalidRequest, NotFound
from touchstone_contracts.publication_calls import GetEdition
from touchstone_contracts.reference import canonical, hash_of, published
from touchstone_contracts.roles import SECRETARIAT
from touchstone_testing.memory_service import MemoryService

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
NEXT, DAY = datetime.date(2026, 3, 10), datetime.timedelta(days=1)
SECRETARY = Caller("secretariat-1", SECRETARIAT)
(SHIPPED,) = shipped()


def next_one(**changed: Any) -> Any:
    """Obligations 2: class PT must be certified within five years."""
    document = SHIPPED.document | {"version": 2, "effective_from": NEXT.isoformat()} | changed
    document["classes"]["PT"] = document["classes"]["PT"] | {"certification_due_years": 5}
    return document


class Office(MemoryService):
    """The service, with a clock that the test sets."""

    def __init__(self) -> None:
        self.time = NOON
        super().__init__(MembershipService, clock=SimpleNamespace(now=lambda: self.time))

    def call(self, method: str, **request: Any) -> Any:
        service, unit = self.begin()
        answer = getattr(MembershipService, method).__wrapped__(service, request, SECRETARY)
        self.commit(unit)
        return answer

    def join(self, id: str, joined_on: datetime.date | None = None) -> Any:
        self.call("register_organisation", member_id=id, legal_name=id, member_class="PT", country="QA")
        return self.call("activate", member_id=id, joined_on=joined_on)


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def publish(office: Office) -> Callable[..., Any]:
    return lambda document: office.call("publish_obligations", document=document)


def test_published_obligations_are_kept_and_announced_whole(office: Office, publish: Any) -> None:
    answer = publish(next_one())

    (event,) = office.events("ObligationsPublished")
    assert json.loads(event.content) == office.call("get_obligations", version=2, on=None)["document"] == next_one()
    assert event.hash == answer["hash"] == hash_of(canonical(next_one()))
    assert (event.publication_id, event.effective_from) == ("obligations/2", NEXT)


def test_the_same_again_changes_nothing_and_others_under_the_version_are_refused(office: Office, publish: Any) -> None:
    first = publish(next_one())

    again = publish(next_one())
    with pytest.raises(AlreadyExists) as refused:
        publish(next_one(title="Others"))

    assert again == first
    assert [(one.path, one.code) for one in refused.value.errors] == [("document.title", "differs")]


def test_everything_that_is_wrong_is_said_at_once(publish: Any) -> None:
    document = next_one(version=5, effective_from="2026-03-01", title="")
    del document["classes"]["GS"]
    document["classes"]["CS"] |= {"must_be_certified": True}

    with pytest.raises(InvalidRequest, match="5 things are wrong with the obligations") as refused:
        publish(document)

    assert {(one.path, one.code) for one in refused.value.errors} == {
        ("document.title", "blank"),
        ("document.classes.GS", "required"),
        ("document.classes.CS.certification_due_years", "invalid"),
        ("document.version", "out_of_order"),
        ("document.effective_from", "too_early"),
    }


@pytest.mark.parametrize("document", [None, 1, [], "x", {}, {"classes": []}])
def test_what_is_no_document_at_all_is_refused(document: Any) -> None:
    assert faults(document)


@pytest.mark.parametrize(
    ("joined_on", "due_on", "version"),
    [(NEXT - DAY, datetime.date(2028, 3, 9), 1), (NEXT, datetime.date(2031, 3, 10), 2), (None, None, 2)],
)
def test_a_membership_rests_on_the_obligations_of_the_day_on_which_it_begins(
    office: Office, publish: Any, joined_on: datetime.date | None, due_on: datetime.date | None, version: int
) -> None:
    hashes = {1: SHIPPED.hash, 2: publish(next_one())["hash"]}
    office.time += 30 * DAY

    member = office.join("qatalum", joined_on)

    assert member["first_certification_due_on"] == (due_on or datetime.date(2031, 3, 31))
    assert member["obligations_hash"] == hashes[version]


def test_a_membership_of_a_day_without_obligations_is_refused(office: Office) -> None:
    with pytest.raises(InvalidRequest) as refused:
        office.join("qatalum", datetime.date(1999, 12, 31))

    assert [(one.path, one.code) for one in refused.value.errors] == [("joined_on", "no_obligations")]


def test_a_member_that_0_1_stored_has_no_hash(office: Office) -> None:
    office.join("qatalum")
    (stored,) = office.documents("organisations")
    del stored["obligations_hash"]
    office.database["organisations"].replace_one({"_id": "qatalum"}, stored)

    service, _ = office.begin()
    found: Organisation = service.organisations.get("qatalum")

    assert (found.obligations_hash, found.state.value) == (None, "active")


@pytest.mark.parametrize(
    ("version", "on", "found"), [(None, None, 1), (2, None, 2), (None, NEXT - DAY, 1), (None, NEXT, 2)]
)
def test_obligations_are_asked_for_by_version_or_by_day(
    office: Office, publish: Any, version: Any, on: Any, found: int
) -> None:
    publish(next_one())

    assert office.call("get_obligations", version=version, on=on)["version"] == found


def test_what_is_not_published_is_not_found(office: Office) -> None:
    for asked in ({"version": 9, "on": None}, {"version": None, "on": datetime.date(1999, 12, 31)}):
        with pytest.raises(NotFound):
            office.call("get_obligations", **asked)
    assert GetEdition().validate({"version": 1, "on": "2027-01-01"}) == {"on": ["Goes without version."]}


def test_versions_are_listed_page_by_page(office: Office, publish: Any) -> None:
    publish(next_one())

    first = office.call("list_obligations", limit=1, after=None)
    second = office.call("list_obligations", limit=1, after=first["next"])

    assert [one["version"] for one in (*first["items"], *second["items"])] == [1, 2]
    assert second["next"] is None


def test_what_is_shipped_is_there_once_and_is_never_edited(office: Office) -> None:
    before = office.documents("obligations")

    publish_shipped(office.database)

    assert office.documents("obligations") == before
    assert [(one["_id"], one["hash"]) for one in before] == [
        ("obligations/1", "sha256:090170c140bf35a503bdc14aecd013dadda6c995f71dfc57ba350ed8440453b0")
    ]


def test_what_this_release_cannot_use_raises_instead_of_obliging_otherwise() -> None:
    document = next_one()
    document["classes"]["XX"] = document["classes"]["PT"]

    with pytest.raises(ValueError, match=r"obligations/2 cannot be used by this release\. classes\.XX"):
        obligations_of(published(document, by="secretariat-1", at=None))
