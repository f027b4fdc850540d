"""What a service may do to the database, worked out from its topology, and where a user may do something else."""

import stat
from pathlib import Path

import pytest

from touchstone.auth.keys import KeyUnusable
from touchstone.provisioning import database_users
from touchstone.provisioning import users as broker_users
from touchstone.provisioning.credentials import kept_password, user_name
from touchstone.provisioning.database_users import CLUSTER, FIND, FIND_AND_INSERT, FIND_AND_WRITE
from touchstone.provisioning.drift import PROVISION_USERS, Deviation, _of_broker_users, _of_users
from touchstone.provisioning.provision import ProvisioningFailed
from touchstone_contracts.topology import Index, ServiceTopology

YARD = ServiceTopology(service="yard", collections=["gates"], indexes=[Index(collection="lots", keys=[("place", 1)])])


def test_a_service_may_write_its_own_collections_and_only_add_to_what_it_announced() -> None:
    rights = database_users.service_rights("t", YARD)

    assert {place for place, actions in rights.items() if actions == FIND_AND_WRITE} == {
        f"t_yard.{name}"
        for name in (
            *("gates", "lots", "inbox", "outbox", "idempotency", "deadlines", "leases", "sequences"),
            *("dead_letters", "dead_letter_parts", "starts", "readiness"),
            *("event_counts", "backfills", "heartbeats", "handled_counts"),
        )
    }
    assert rights["t_yard.events"] == rights["t_yard.republications"] == FIND_AND_INSERT
    assert rights["t_yard.restores"] == rights["t_sandbox.clock"] == FIND
    assert rights[CLUSTER] == {"getParameter"}
    assert "t_yard.migrations" not in rights


def test_no_right_is_one_to_a_whole_database() -> None:
    privileges = database_users._privileges(database_users.service_rights("t", YARD))

    resources = [privilege["resource"] for privilege in privileges if privilege["resource"] != {"cluster": True}]
    assert len(resources) == len(privileges) - 1
    assert all(resource["db"] and resource["collection"] for resource in resources)


def test_rights_are_read_as_they_were_written() -> None:
    rights = database_users.service_rights("t", YARD)

    assert database_users._rights(database_users._privileges(rights)) == rights


def test_a_right_to_everything_is_read_as_one_too_many() -> None:
    everywhere = [{"resource": {"db": "", "collection": ""}, "actions": ["find"]}]
    anything = [{"resource": {"anyResource": True}, "actions": ["anyAction"]}]

    assert database_users._rights(everywhere + everywhere) == {".": {"find"}}
    assert database_users._rights(anything) == {"{'anyResource': True}": {"anyAction"}}


def test_who_may_do_more_less_or_is_missing_is_told_with_the_way_out() -> None:
    should = {"t-a": {"x": "find", "y": "find"}, "t-b": {"x": "find"}, "t-c": {"x": "find"}}
    there = {"t-a": {"x": "find, insert", "z": "find"}, "t-b": {"x": "find"}, "another": {}}

    assert list(_of_users("database user", there, should)) == [
        Deviation(
            "database user t-a",
            "x: find, insert; y: nothing; z: find",
            "x: find; y: find; z: nothing",
            PROVISION_USERS,
        ),
        Deviation("database user t-c", "missing", "there", PROVISION_USERS),
    ]


def test_an_installation_without_users_of_its_own_deviates_nowhere() -> None:
    assert list(_of_users("database user", {"another-a": {}}, {"t-a": {"x": "find"}})) == []


def test_a_broker_user_with_other_rights_is_told_and_an_outsider_only_where_there_is_one() -> None:
    yard, outside = broker_users.service_rights(YARD), broker_users.outside_rights("t-outside", [])
    more = broker_users.Rights(".*", yard.write, yard.read, yard.topics)

    def told(**there: broker_users.Rights) -> list[Deviation]:
        return list(_of_broker_users({f"t-{who}": rights for who, rights in there.items()}, "t", [YARD]))

    assert told(yard=yard) == told(yard=yard, outside=outside) == []
    assert told(yard=more) == [
        Deviation("broker user t-yard", "configure: .*", f"configure: {broker_users.NOTHING}", PROVISION_USERS)
    ]
    assert [deviation.what for deviation in told(yard=yard, outside=yard)] == ["broker user t-outside"]


def test_a_password_is_kept_in_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "yard" / "mongo"

    first, second = (kept_password(path, user_name("t", "yard")) for _ in range(2))

    assert first == second and len(first) > 30
    assert path.read_text() == f"t-yard:{first}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"t-yard", b":x", b"\xff\xff:x"])
def test_a_file_without_a_password_is_told_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mongo"
    path.write_bytes(content)

    with pytest.raises(ProvisioningFailed, match=str(path)):
        kept_password(path, "t-yard")
    assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "yard").write_text("a file")

    with pytest.raises(ProvisioningFailed, match="cannot be written"):
        kept_password(tmp_path / "yard" / "mongo", "t-yard")


def test_a_password_is_not_written_where_git_would_find_it() -> None:
    with pytest.raises(KeyUnusable):
        kept_password(Path(__file__).parent / "passwords" / "mongo", "t-yard")
