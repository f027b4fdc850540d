from typing import Any

import pytest

from touchstone_contracts.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from touchstone_contracts.values import Party, PartyKind
from touchstone_devkit.eventually import eventually

PARTIES = {
    "member-1": Party(kind=PartyKind.MEMBER, id="qatalum"),
    "member-2": Party(kind=PartyKind.MEMBER, id="qatalum"),
    "body-1": Party(kind=PartyKind.BODY, id="dnv"),
    "office": Party(kind=PartyKind.SECRETARIAT, id="secretariat"),
}


@pytest.fixture
def told(running: Any, neighbours: Any, example: Any, database: Any) -> str:
    """Four people were told that a certificate was issued, and that it expired. The issue's id."""
    for id, party in PARTIES.items():
        contact = example("membership.contact_changed", contact_id=id, party=party, address=f"{id}@example.org")
        neighbours.announce(contact)
    eventually(lambda: database["contacts"].count_documents({}) == len(PARTIES))
    issue: str = neighbours.announce(example("certification.certificate_issued"))
    eventually(lambda: database["notices"].count_documents({"state": "sent"}) == 4, within_s=20)
    neighbours.announce(example("certification.certificate_expired"))
    eventually(lambda: database["notices"].count_documents({"state": "sent"}) == 8, within_s=20)
    return issue


def listed(client: Any, **filters: Any) -> list[tuple[str, str]]:
    items = client.notification.list_notices(**filters)["items"]
    return [(item["type"], item["contact_id"]) for item in items]


def test_the_secretariat_sees_all_notices_in_the_order_in_which_they_were_made(told: str, calling: Any) -> None:
    found = listed(calling("secretariat"))

    assert [type for type, _ in found] == ["certificate_issued"] * 4 + ["certificate_expired"] * 4


def test_a_notice_says_everything_but_the_address(told: str, calling: Any) -> None:
    page = calling("operator").notification.list_notices(audit_id="aud-7f3a")

    notice = next(item for item in page["items"] if item["contact_id"] == "member-1")
    assert {key: notice[key] for key in ("type", "about", "audit_id", "certificate_number", "party")} == {
        "type": "certificate_issued",
        "about": told,
        "audit_id": "aud-7f3a",
        "certificate_number": 195,
        "party": {"kind": "member", "id": "qatalum"},
    }
    assert (notice["address"], notice["state"], notice["attempts"]) == ("m•••@example.org", "sent", 1)
    assert notice["message_id"] == f"<{notice['notice_id']}@touchstone.example>"
    assert notice["created_at"] <= notice["sent_at"]
    assert "member-1@example.org" not in str(page)


def test_a_list_is_read_page_by_page_without_gap_or_repeat(told: str, calling: Any) -> None:
    client, seen, after = calling("registrar"), [], None

    while True:
        page = client.notification.list_notices(limit=3, after=after)
        seen += [item["notice_id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break

    assert len(seen) == len(set(seen)) == 8


def test_filters_narrow_the_list(told: str, calling: Any) -> None:
    client = calling("secretariat")

    assert len(listed(client, audit_id="aud-7f3a")) == 4
    assert len(listed(client, party={"kind": "member", "id": "qatalum"})) == 4
    assert len(listed(client, party={"kind": "body", "id": "dnv"}, audit_id="aud-7f3a", state="sent")) == 1
    assert listed(client, state="dead") == []


def test_a_member_and_a_body_see_their_own_notices_only(told: str, calling: Any) -> None:
    assert {id for _, id in listed(calling("member", member="qatalum"))} == {"member-1", "member-2"}
    assert {id for _, id in listed(calling("assessor", cab="dnv"))} == {"body-1"}
    assert listed(calling("member", member="alcoa")) == []
    assert listed(calling("assessor", cab="qatalum")) == []


def test_who_asks_for_another_party_is_refused(told: str, calling: Any) -> None:
    with pytest.raises(Forbidden):
        listed(calling("member", member="alcoa"), party={"kind": "member", "id": "qatalum"})
    with pytest.raises(Forbidden):
        listed(calling("assessor", cab="dnv"), party={"kind": "secretariat", "id": "secretariat"})


def test_the_notice_of_another_party_is_not_found(told: str, calling: Any) -> None:
    office = calling("secretariat").notification.list_notices(party={"kind": "secretariat", "id": "secretariat"})
    notice_id = office["items"][0]["notice_id"]

    assert calling("registrar").notification.get_notice(notice_id=notice_id)["contact_id"] == "office"
    for client in (calling("member", member="qatalum"), calling("assessor", cab="dnv")):
        with pytest.raises(NotFound):
            client.notification.get_notice(notice_id=notice_id)


def test_nothing_is_read_without_a_token(running: Any, calling: Any) -> None:
    with pytest.raises(Unauthenticated):
        calling(None).notification.list_notices()


def test_a_question_of_the_wrong_form_is_answered_with_everything_that_is_wrong(running: Any, calling: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        calling("secretariat").notification.list_notices(limit=0, party={"kind": "planet"}, colour="red")

    assert [error.path for error in refusal.value.errors] == ["colour", "limit", "party.id", "party.kind"]


QUESTIONS: list[tuple[str, dict[str, Any], str | None]] = [
    ("contacts", {"party": {"$in": ["member:a", "body:b"]}}, None),
    ("announcements", {"parties": "member:a", "announced": True, "position": {"$gte": "2026"}}, "position"),
    (
        "announcements",
        {
            "nobody_until": {"$elemMatch": {"party": "member:a", "arrival": {"$gt": "2026"}}},
            "position": {"$lt": "2027"},
        },
        None,
    ),
    ("notices", {"about": "e"}, None),
    ("notices", {}, "position"),
    ("notices", {"position": {"$gt": "2026"}}, "position"),
    ("notices", {"audit_id": "a", "position": {"$gt": "2026"}}, "position"),
    ("notices", {"audit_id": "a", "party": "member:a", "state": "sent"}, "position"),
    ("notices", {"party": "member:a", "position": {"$gt": "2026"}}, "position"),
    ("notices", {"state": "dead"}, "position"),
    (
        "notices",
        {"contact_id": "c", "state": {"$in": ["failed", "dead", "cancelled"]}, "position": {"$gt": "2026"}},
        "position",
    ),
    ("notices", {"party": "member:a", "state": "dead", "position": {"$gt": "2026"}}, "position"),
]


def test_every_question_to_the_database_has_its_index(environment: dict[str, str], database: Any) -> None:
    for collection in ("contacts", "announcements", "notices"):
        database[collection].insert_many([{"_id": str(n), "position": str(n), "about": str(n)} for n in range(20)])

    plans = [_plan(database, *question) for question in QUESTIONS]

    assert all("IXSCAN" in plan and "COLLSCAN" not in plan and "'SORT'" not in plan for plan in plans)


def _plan(database: Any, collection: str, filter: dict[str, Any], order: str | None) -> str:
    found = database[collection].find(filter)
    return str((found.sort(order, 1) if order else found).explain()["queryPlanner"]["winningPlan"])
