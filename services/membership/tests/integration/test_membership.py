import concurrent.futures
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_contracts.errors import (
    AlreadyExists,
    Forbidden,
    IdempotencyConflict,
    IllegalTransition,
    InvalidRequest,
    NotFound,
    Refusal,
    Unauthenticated,
)
from touchstone_contracts.events import membership as events
from touchstone_devkit.eventually import eventually

QATALUM = {"member_id": "qatalum", "legal_name": "Qatar Aluminium Limited", "member_class": "PT", "country": "QA"}
ENTITY = {
    "entity_id": "qatalum-mesaieed",
    "member_id": "qatalum",
    "name": "Qatalum, Mesaieed",
    "country": "QA",
    "activities": ["SML", "CST"],
}
FACILITY = {
    "facility_id": "qatalum-1",
    "entity_id": "qatalum-mesaieed",
    "name": "Mesaieed smelter",
    "country": "QA",
    "activities": ["SML"],
}
CONTACT = {
    "contact_id": "con-1",
    "party": {"kind": "member", "id": "qatalum"},
    "name": "A. Person",
    "address": "person@example.org",
    "roles": ["certification"],
    "language": "en",
    "channels": ["email"],
}
DNV = {"party": {"kind": "body", "id": "dnv"}, "contact_id": "dnv-desk"}


def refused_for(refusal: Any) -> list[tuple[str, str]]:
    return [(error.path, error.code) for error in refusal.value.errors]


def test_an_organisation_becomes_a_member_is_suspended_and_reinstated_each_announced_in_its_turn(
    secretariat: Any, ear: Any
) -> None:
    secretariat.register_organisation(**QATALUM)
    activated = secretariat.activate(member_id="qatalum", joined_on="2020-03-01")
    suspended = secretariat.suspend(member_id="qatalum", reasons=["Membership fee overdue."])
    reinstated = secretariat.reinstate(member_id="qatalum")

    assert (activated["state"], activated["first_certification_due_on"]) == ("active", "2022-03-01")
    assert (suspended["state"], suspended["suspension_reasons"]) == ("suspended", ["Membership fee overdue."])
    assert [row["state"] for row in reinstated["history"]] == ["registered", "active", "suspended", "active"]
    told = [
        ear.heard(kind)
        for kind in (
            events.OrganisationRegistered,
            events.MembershipActivated,
            events.MembershipSuspended,
            events.MembershipReinstated,
        )
    ]
    assert [envelope.sequence for envelope, _ in told] == [1, 2, 3, 4]
    assert told[1][1].first_certification_due_on == datetime.date(2022, 3, 1)
    assert told[2][1].reasons == ["Membership fee overdue."]


def test_entities_facilities_and_contacts_are_announced_and_shown_with_their_member(secretariat: Any, ear: Any) -> None:
    secretariat.register_organisation(**QATALUM)
    secretariat.register_entity(**ENTITY)
    facility = secretariat.register_facility(**FACILITY)
    secretariat.set_contact(**CONTACT)

    shown = secretariat.get_organisation(member_id="qatalum")

    assert facility["member_id"] == "qatalum"
    (entity,) = shown["entities"]
    assert [site["facility_id"] for site in entity["facilities"]] == ["qatalum-1"]
    assert [(c["contact_id"], c["address"]) for c in shown["contacts"]] == [("con-1", "p•••@example.org")]
    assert ear.heard(events.EntityRegistered)[1].activities == ["SML", "CST"]
    assert ear.heard(events.FacilityRegistered)[1].member_id == "qatalum"
    assert ear.heard(events.ContactChanged)[1].address == "person@example.org"


def test_an_id_is_made_where_none_is_given(secretariat: Any) -> None:
    made = secretariat.register_organisation(**{**QATALUM, "member_id": None})

    assert secretariat.get_organisation(member_id=made["member_id"])["legal_name"] == "Qatar Aluminium Limited"


def test_a_contact_that_changes_is_announced_again_and_one_that_does_not_is_not(secretariat: Any, ear: Any) -> None:
    secretariat.register_organisation(**QATALUM)
    secretariat.set_contact(**CONTACT)
    secretariat.set_contact(**CONTACT)
    secretariat.set_contact(**{**CONTACT, "active": False})

    told = [ear.heard(events.ContactChanged) for _ in range(2)]

    assert [(envelope.sequence, event.active) for envelope, event in told] == [(1, True), (2, False)]
    assert ear.next(events.ContactChanged) is None


def test_what_is_unknown_taken_or_not_allowed_now_is_refused_by_its_own_code(secretariat: Any) -> None:
    secretariat.register_organisation(**QATALUM)
    secretariat.register_entity(**ENTITY)
    refusals: list[tuple[type[Refusal], Callable[[], Any]]] = [
        (AlreadyExists, lambda: secretariat.register_organisation(**QATALUM)),
        (AlreadyExists, lambda: secretariat.register_entity(**ENTITY)),
        (NotFound, lambda: secretariat.register_entity(**{**ENTITY, "member_id": "nobody"})),
        (NotFound, lambda: secretariat.register_facility(**{**FACILITY, "entity_id": "nowhere"})),
        (NotFound, lambda: secretariat.set_contact(**{**CONTACT, "party": {"kind": "member", "id": "nobody"}})),
        (NotFound, lambda: secretariat.activate(member_id="nobody")),
        (IllegalTransition, lambda: secretariat.suspend(member_id="qatalum", reasons=["Fee."])),
        (IllegalTransition, lambda: secretariat.reinstate(member_id="qatalum")),
        (InvalidRequest, lambda: secretariat.activate(member_id="qatalum", joined_on="2999-01-01")),
    ]

    for expected, call in refusals:
        with pytest.raises(expected) as refusal:
            call()
        assert refusal.value.errors[0].path


def test_everything_that_is_wrong_with_a_request_is_said_at_once(secretariat: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        secretariat.set_contact(
            party={"kind": "secretariat", "id": "x" * 65},
            address="nobody",
            roles=[],
            language="xx",
            channels=["pigeon"],
            colour="red",
        )

    assert refused_for(refusal) == [
        ("address", "invalid_address"),
        ("channels[0]", "unknown_choice"),
        ("colour", "unknown_field"),
        ("language", "unknown_language"),
        ("name", "required"),
        ("party.id", "too_long"),
        ("roles", "wrong_length"),
    ]


def test_of_two_who_activate_at_once_one_is_refused_and_one_event_is_told(
    secretariat: Any, calling: Any, ear: Any
) -> None:
    secretariat.register_organisation(**QATALUM)

    def activate(_: int) -> str:
        try:
            return str(calling("registrar").activate(member_id="qatalum")["state"])
        except IllegalTransition as refusal:
            return refusal.code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(activate, range(4)))

    assert outcomes == ["active"] + ["illegal_transition"] * 3
    ear.heard(events.MembershipActivated)
    assert ear.next(events.MembershipActivated) is None


def test_a_command_that_is_repeated_is_answered_as_before_and_another_body_is_a_conflict(
    secretariat: Any, ear: Any
) -> None:
    first = secretariat.register_organisation(**QATALUM, idempotency_key="k")

    again = secretariat.register_organisation(**QATALUM, idempotency_key="k")

    assert again == first
    with pytest.raises(IdempotencyConflict):
        secretariat.register_organisation(**{**QATALUM, "country": "DE"}, idempotency_key="k")
    ear.heard(events.OrganisationRegistered)
    assert ear.next(events.OrganisationRegistered) is None


def test_a_member_sees_and_changes_its_own_data_only(secretariat: Any, calling: Any) -> None:
    secretariat.register_organisation(**QATALUM)
    secretariat.register_organisation(**{**QATALUM, "member_id": "alcoa"})
    secretariat.register_entity(**ENTITY)
    secretariat.set_contact(**CONTACT)
    qatalum, alcoa = calling("member", member="qatalum"), calling("member", member="alcoa")

    qatalum.register_entity(**{**ENTITY, "entity_id": "second"})
    qatalum.register_facility(**FACILITY)
    qatalum.set_contact(**{**CONTACT, "contact_id": "con-2"})

    assert len(qatalum.get_organisation(member_id="qatalum")["entities"]) == 2
    assert len(qatalum.list_contacts(party=CONTACT["party"])["items"]) == 2
    theirs = {**CONTACT, "party": {"kind": "member", "id": "alcoa"}}
    for expected, call in (
        (Forbidden, lambda: alcoa.get_organisation(member_id="qatalum")),
        (Forbidden, lambda: alcoa.get_organisation(member_id="nobody")),
        (Forbidden, lambda: alcoa.register_entity(**{**ENTITY, "entity_id": "third"})),
        (NotFound, lambda: alcoa.register_facility(**{**FACILITY, "facility_id": "third"})),
        (Forbidden, lambda: alcoa.set_contact(**CONTACT)),
        (Forbidden, lambda: alcoa.list_contacts(party=CONTACT["party"])),
        (AlreadyExists, lambda: alcoa.set_contact(**theirs)),
        (Forbidden, lambda: alcoa.set_contact(**{**CONTACT, **DNV})),
        (Forbidden, lambda: alcoa.activate(member_id="alcoa")),
        (Forbidden, lambda: alcoa.list_organisations()),
    ):
        with pytest.raises(expected):
            call()


def test_an_assessor_keeps_the_contacts_of_its_own_body_and_nothing_else(secretariat: Any, calling: Any) -> None:
    secretariat.register_organisation(**QATALUM)
    dnv, bureau = calling("assessor", cab="dnv"), calling("assessor", cab="bureau")

    dnv.set_contact(**{**CONTACT, **DNV})

    assert [c["contact_id"] for c in dnv.list_contacts(party=DNV["party"])["items"]] == ["dnv-desk"]
    for call in (
        lambda: bureau.list_contacts(party=DNV["party"]),
        lambda: bureau.set_contact(**{**CONTACT, **DNV}),
        lambda: dnv.set_contact(**CONTACT),
        lambda: dnv.get_organisation(member_id="qatalum"),
        lambda: dnv.register_entity(**ENTITY),
    ):
        with pytest.raises(Forbidden):
            call()


def test_nothing_is_open_without_a_token(calling: Any) -> None:
    nobody = calling(None)

    for call in (nobody.list_organisations, lambda: nobody.register_organisation(**QATALUM)):
        with pytest.raises(Unauthenticated):
            call()


def test_organisations_and_contacts_are_listed_page_by_page(secretariat: Any) -> None:
    ids = [f"member-{number}" for number in range(5)]
    for id in ids:
        secretariat.register_organisation(**{**QATALUM, "member_id": id})
        secretariat.set_contact(**{**CONTACT, "contact_id": id, "party": {"kind": "member", "id": "member-0"}})

    for listing, key in (
        (secretariat.list_organisations, "member_id"),
        (lambda **page: secretariat.list_contacts(party={"kind": "member", "id": "member-0"}, **page), "contact_id"),
    ):
        first = listing(limit=3)
        second = listing(limit=3, after=first["next"])
        assert [item[key] for item in first["items"] + second["items"]] == ids
        assert second["next"] is None


def test_an_address_stands_in_the_contact_store_and_leaves_the_outbox_once_it_is_told(
    secretariat: Any, ear: Any, database: Any
) -> None:
    secretariat.register_organisation(**QATALUM)
    answer = secretariat.set_contact(**CONTACT)
    ear.heard(events.ContactChanged)
    eventually(lambda: database["outbox"].count_documents({}) == 0)

    holding = [
        name
        for name in database.list_collection_names()
        if any("person@example.org" in str(document) for document in database[name].find())
    ]

    assert holding == ["contacts"]
    assert "person@example.org" not in str(answer)


def test_every_question_to_the_database_has_its_index(environment: dict[str, str], database: Any) -> None:
    for collection in ("organisations", "entities", "facilities", "contacts"):
        database[collection].insert_many([{"_id": str(number)} for number in range(20)])
    questions: list[tuple[str, dict[str, Any]]] = [
        ("organisations", {}),
        ("organisations", {"_id": {"$gt": "1"}}),
        ("entities", {"member_id": "qatalum"}),
        ("facilities", {"member_id": "qatalum"}),
        ("contacts", {"party.kind": "member", "party.id": "qatalum", "_id": {"$gt": "1"}}),
    ]

    plans = [
        str(database[collection].find(filter).sort("_id", 1).explain()["queryPlanner"]["winningPlan"])
        for collection, filter in questions
    ]

    assert all("IXSCAN" in plan and "COLLSCAN" not in plan and "'SORT'" not in plan for plan in plans)
