"""Standards are published as versions: when that is refused, which one a report is held against, and what is kept."""

import copy
import datetime
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.data import catalogue
from assessment.data.catalogue import CatalogueError
from assessment.schemas.standards import GetPublishedStandard
from assessment.storage.standards import OWN_FOLDER, publish_shipped
from touchstone_contracts.errors import AlreadyExists, InvalidReport, InvalidRequest, NotFound
from touchstone_contracts.reference import canonical, hash_of, published
from touchstone_testing.examples import examples

DAY = datetime.timedelta(days=1)
NEXT = datetime.date(2026, 11, 10)
HASHES = {
    "COC-2.0/1": "sha256:9a44bdc55173ebeb23f37d7b0111b8126af66b0abac0a61bed8af593e82c7b07",
    "PS-2.0/1": "sha256:eba9da182f924d77039f2fc3b3ff780b85ad96546d57c83e4089486d18a20418",
    "PS-3.0/1": "sha256:bf05aa1a3bcdf74fd238bd60e3c20f88723fd324ed788567c4c73fdd6158783c",
}
SHIPPED = {publication.id: publication for publication in catalogue.shipped()}


def next_one(**changed: Any) -> Any:
    """PS 3.0 once more, closed for new certificates a day before the last of the audit that is handed in."""
    document = SHIPPED["PS-3.0"].document | {"version": 2, "effective_from": NEXT.isoformat()} | changed
    standard = copy.deepcopy(document["standard"])
    for name in ("new_certificates_until", "existing_certificates_until"):
        standard[name]["value"] = "2026-10-15"
    return document | {"standard": standard}


class SetClock:
    def __init__(self, now: datetime.datetime):
        self.time = now

    def now(self) -> datetime.datetime:
        return self.time


@pytest.fixture
def at_work(office: Any) -> Any:
    """An office whose clock the test sets."""
    office.provided["clock"] = SetClock(office.provided["clock"].now())
    return office


@pytest.fixture
def publish(at_work: Any) -> Callable[..., Any]:
    return lambda document: at_work.call("publish_standard", at_work.secretariat, document=document)


def shown(office: Any, **asked: Any) -> Any:
    whole = {"id": "PS-3.0", "version": None, "on": None} | asked
    return office.call("get_published_standard", office.dnv, **whole)


def test_a_published_standard_is_kept_and_announced_by_codes_titles_and_window(at_work: Any, publish: Any) -> None:
    answer = publish(next_one())

    ((_, event),) = at_work.records()
    assert shown(at_work, version=2)["document"] == next_one()
    assert event.hash == answer["hash"] == hash_of(canonical(next_one()))
    assert (event.publication_id, event.effective_from) == ("PS-3.0/2", NEXT)
    assert event.new_certificates_until == datetime.date(2026, 10, 15)
    assert (len(event.criteria), event.criteria[0].code) == (62, "1.1")


def test_the_same_standard_again_changes_nothing_and_another_under_its_version_is_refused(
    at_work: Any, publish: Any
) -> None:
    first = publish(next_one())
    other = next_one()
    other["standard"]["name"] = "Another"

    again = publish(next_one())
    with pytest.raises(AlreadyExists) as refused:
        publish(other)

    assert again == first
    assert [(one.path, one.code) for one in refused.value.errors] == [("document.standard.name", "differs")]


def test_a_new_standard_begins_with_version_1(at_work: Any, publish: Any) -> None:
    document = next_one(id="PS-4.0", version=1)
    document["standard"]["version"] = "4.0"

    assert publish(document)["id"] == "PS-4.0"
    at_work.provided["clock"].time += 10 * DAY
    listed = at_work.call("list_standards", at_work.dnv)["items"]
    assert [(one["code"], one["version"]) for one in listed][-1] == ("PS", "4.0")


def test_everything_that_is_wrong_is_said_at_once(publish: Any) -> None:
    document = next_one(version=3, effective_from="2026-11-02")
    document["standard"]["criteria"][0]["code"] = 5
    del document["standard"]["name"]

    with pytest.raises(InvalidRequest, match="4 things are wrong with the standard") as refused:
        publish(document)

    assert {(one.path, one.code) for one in refused.value.errors} == {
        ("document.standard.criteria[0].code", "wrong_type"),
        ("document.standard.name", "required"),
        ("document.version", "out_of_order"),
        ("document.effective_from", "too_early"),
    }


@pytest.mark.parametrize(
    ("changed", "path"),
    [({"id": "PS-2.0", "version": 2}, "id"), ({"kind": "rule_set"}, "kind"), ({"id": "../PS"}, "id")],
)
def test_an_id_or_kind_of_something_else_is_refused(publish: Any, changed: Any, path: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        publish(next_one(**changed))

    assert f"document.{path}" in [one.path for one in refused.value.errors]


@pytest.mark.parametrize(("today", "taken"), [(NEXT - DAY, True), (NEXT, False), (NEXT + DAY, False)])
def test_a_report_is_held_against_the_standard_of_the_day_on_which_it_comes(
    at_work: Any, publish: Any, today: datetime.date, taken: bool
) -> None:
    publish(next_one())
    at_work.provided["clock"].time = datetime.datetime.combine(today, datetime.time(), tzinfo=datetime.UTC)

    if taken:
        assert at_work.submit()["audit_id"] == "dnv.r-1"
    else:
        with pytest.raises(InvalidReport) as refused:
            at_work.submit()
        assert [one.code for one in refused.value.errors] == ["standard_not_open"]


def test_an_accepted_audit_keeps_the_hash_of_its_standard(at_work: Any, publish: Any) -> None:
    publish(next_one())
    audit_id = at_work.submit()["audit_id"]
    before = at_work.call("get_audit", at_work.dnv, audit_id=audit_id)["standard_hash"]

    at_work.call("accept_audit_report", at_work.secretariat, audit_id=audit_id)

    assert before is None
    assert at_work.call("get_audit", at_work.dnv, audit_id=audit_id)["standard_hash"] == SHIPPED["PS-3.0"].hash


def test_an_audit_that_0_1_stored_has_no_hash(at_work: Any) -> None:
    audit_id = at_work.submit()["audit_id"]
    (stored,) = at_work.documents("audits")
    del stored["standard_hash"]
    at_work.database["audits"].replace_one({"_id": audit_id}, stored)

    assert at_work.call("get_audit", at_work.dnv, audit_id=audit_id)["standard_hash"] is None


@pytest.mark.parametrize(
    ("asked", "version"), [({}, 1), ({"version": 2}, 2), ({"on": NEXT - DAY}, 1), ({"on": NEXT}, 2)]
)
def test_a_standard_is_asked_for_by_version_or_by_day(at_work: Any, publish: Any, asked: Any, version: int) -> None:
    publish(next_one())

    assert shown(at_work, **asked)["version"] == version


def test_what_is_not_published_is_not_found(at_work: Any) -> None:
    for asked in ({"version": 9}, {"id": "PS-9.0"}, {"on": datetime.date(2009, 12, 31)}):
        with pytest.raises(NotFound):
            shown(at_work, **asked)
    assert GetPublishedStandard().validate({"id": "PS-3.0", "version": 1, "on": "2027-01-01"}) == {
        "on": ["Goes without version."]
    }


def test_what_was_published_is_listed_page_by_page(at_work: Any, publish: Any) -> None:
    publish(next_one())

    first = at_work.call("list_published_standards", at_work.dnv, limit=3, after=None)
    second = at_work.call("list_published_standards", at_work.dnv, limit=3, after=first["next"])

    keys = [(one["id"], one["version"]) for one in (*first["items"], *second["items"])]
    assert keys == [("COC-2.0", 1), ("PS-2.0", 1), ("PS-3.0", 1), ("PS-3.0", 2)]
    assert second["next"] is None


def test_what_is_shipped_is_there_once_and_is_never_edited(at_work: Any) -> None:
    before = at_work.documents("standards")

    publish_shipped(at_work.database)

    assert at_work.documents("standards") == before
    assert {one["_id"]: one["hash"] for one in before} == HASHES


def test_a_database_is_provisioned_with_the_scheme_owners_own_files(
    at_work: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    written = SHIPPED["PS-3.0"].document["standard"] | {"name": "Corrected"}
    (tmp_path / "own.json").write_text(canonical(written))
    at_work.database["standards"].delete_many({})
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path))

    publish_shipped(at_work.database)

    assert shown(at_work)["document"]["standard"]["name"] == "Corrected"
    monkeypatch.setenv(OWN_FOLDER, str(tmp_path / "absent"))
    with pytest.raises(CatalogueError, match="is no folder"):
        publish_shipped(at_work.database)


def test_one_that_this_release_cannot_use_raises_instead_of_being_left_out() -> None:
    document = next_one()
    document["standard"]["weather"] = "fine"

    with pytest.raises(CatalogueError, match=r"PS-3.0/2 cannot be used by this release"):
        catalogue.catalogue_of([published(document, by="secretariat-1", at=None)])


@settings(max_examples=examples(200), deadline=None)
@given(
    seed=st.integers(0, 10**6), odd=st.sampled_from([None, True, 1, "x", [], {}, ["x"], {"confidence": "x"}, 10**30])
)
def test_whatever_a_document_holds_it_is_taken_or_refused(seed: int, odd: Any) -> None:
    """One place of the shipped standard is replaced; what is no fault can be used."""
    document, place = SHIPPED["PS-3.0"].document, random.Random(seed)
    holder: Any = document
    while True:
        key = place.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not (isinstance(holder[key], (dict, list)) and holder[key]) or place.random() < 0.2:
            break
        holder = holder[key]
    holder[key] = odd

    if not catalogue.faults(document):
        assert catalogue.standard_of(published(document, by="secretariat-1", at=None)).criteria
