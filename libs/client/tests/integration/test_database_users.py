"""Each database user may do what its service needs and nothing else; shown by trying, on a set that asks for users."""

import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import OperationFailure

from touchstone.provisioning import database_users
from touchstone.provisioning.credentials import user_name
from touchstone.provisioning.database_users import UsersForbidden, provision_database_users
from touchstone.provisioning.drift import PROVISION_USERS, _of_database_users
from touchstone.provisioning.provision import ProvisioningFailed, installed_topologies, provision_databases
from touchstone_contracts.addresses import with_credentials, with_database_credentials
from touchstone_contracts.bookkeeping import APPENDED, READ, WRITTEN
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import ServiceTopology
from touchstone_devkit.backing.mongo_members import MongoMembers
from touchstone_devkit.backing.replica_set import drop_users
from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.processes.leftovers import new_run

PREFIX, SPARE = "rights", "spare"
UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
TOPOLOGIES = {topology.service: topology for topology in installed_topologies()}
OPERATORS_ROLES = ["userAdminAnyDatabase", "readWriteAnyDatabase", "dbAdminAnyDatabase"]
Client = pymongo.MongoClient[dict[str, Any]]
Deed = Callable[[Client], Any]


def yard(collection: str = "gates", service: str = "yard") -> ServiceTopology:
    return ServiceTopology(service=service, collections=[collection])


@pytest.fixture(scope="module")
def admin_uri(say: Callable[[str], None]) -> Iterator[str]:
    with new_run() as ledger:
        try:
            members = MongoMembers(ledger, say, 1, guarded=True)
            members.start()
        except Unavailable as reason:
            pytest.skip(f"a native mongod cannot be had here: {reason}")
        yield members.uri
        members.stop()
        ledger.close()


@pytest.fixture(scope="module")
def operator_uri(admin_uri: str) -> str:
    """With the user that docs/servers.md asks for, and no more rights."""
    with pymongo.MongoClient(admin_uri) as client:
        client.admin.command("createUser", "operator", pwd="o:p/e", roles=OPERATORS_ROLES)
    return with_database_credentials(admin_uri, "operator:o:p/e")


@pytest.fixture(scope="module")
def folder(operator_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the users' passwords; indexes and users are made by the operator's user."""
    made_in = tmp_path_factory.mktemp("users")
    for prefix in (PREFIX, SPARE):
        provision_databases(operator_uri, prefix, TOPOLOGIES.values())
        made = provision_database_users(operator_uri, prefix, made_in / prefix)
        assert made == {user_name(prefix, who): str(made_in / prefix / who / "mongo") for who in SERVICES}
    return made_in / PREFIX


@pytest.fixture(scope="module")
def clients(admin_uri: str, folder: Path) -> Iterator[dict[str, Client]]:
    """By service, with its user."""
    uris = {who: with_database_credentials(admin_uri, (folder / who / "mongo").read_text()) for who in SERVICES}
    opened: dict[str, Client] = {who: pymongo.MongoClient(uri, w="majority") for who, uri in uris.items()}
    yield opened
    for client in opened.values():
        client.close()


def is_refused(client: Client, deed: Deed) -> bool:
    try:
        deed(client)
    except OperationFailure as error:
        return error.code == UNAUTHORIZED
    return False


def deeds_in(database: str, collection: str) -> dict[str, Deed]:
    """Everything that can be done with one collection."""

    def of(client: Client) -> Any:
        return client[database][collection]

    place = f"{database}.{collection}"
    return {
        f"read {place}": lambda client: of(client).find_one(),
        f"count {place}": lambda client: of(client).count_documents({}),
        f"insert into {place}": lambda client: of(client).insert_one({}),
        **changing_deeds(database, collection),
    }


def changing_deeds(database: str, collection: str) -> dict[str, Deed]:
    """Everything by which what stands in a collection would be other than it was."""

    def of(client: Client) -> Any:
        return client[database][collection]

    def in_a_transaction(client: Client) -> None:
        with client.start_session() as session, session.start_transaction():
            of(client).update_one({}, {"$set": {"x": 1}}, session=session)

    def from_another(client: Client, last: dict[str, Any]) -> None:
        list(client[database]["inbox"].aggregate([last]))

    place = f"{database}.{collection}"
    return {
        f"update in {place}": lambda client: of(client).update_one({}, {"$set": {"x": 1}}),
        f"update in {place} in a transaction": in_a_transaction,
        f"upsert in {place}": lambda client: of(client).replace_one({"_id": "x"}, {}, upsert=True),
        f"find and update in {place}": lambda client: of(client).find_one_and_update({}, {"$set": {"x": 1}}),
        f"find and remove from {place}": lambda client: of(client).find_one_and_delete({}),
        f"remove from {place}": lambda client: of(client).delete_many({}),
        f"merge into {place}": lambda client: from_another(
            client, {"$merge": {"into": {"db": database, "coll": collection}, "whenMatched": "replace"}}
        ),
        f"put the outcome into {place}": lambda client: from_another(
            client, {"$out": {"db": database, "coll": collection}}
        ),
        f"rename {place}": lambda client: of(client).rename(f"{collection}-old"),
        f"cap {place}": lambda client: client[database].command("convertToCapped", collection, size=4096),
        f"add an index to {place}": lambda client: of(client).create_index([("x", 1)], expireAfterSeconds=0),
        f"change {place}": lambda client: client[database].command("collMod", collection, validator={}),
        f"drop the indexes of {place}": lambda client: of(client).drop_indexes(),
        f"drop {place}": lambda client: of(client).drop(),
    }


def forbidden_to(prefix: str, service: str) -> dict[str, Deed]:
    own, user = f"{prefix}_{service}", user_name(prefix, service)
    others = [f"{prefix}_{other}" for other in SERVICES if other != service]
    password, role = {"pwd": "x"}, {"roles": ["root"]}
    deeds: dict[str, Deed] = {
        **changing_deeds(own, "events"),
        **changing_deeds(own, "republications"),
        **changing_deeds(own, "restores"),
        **deeds_in(own, "migrations"),
        **deeds_in(own, "undeclared"),
        **changing_deeds(f"{prefix}_sandbox", "clock"),
        **deeds_in(f"{prefix}_sandbox", "another"),
        **deeds_in("elsewhere", "things"),
        "insert into restores": lambda client: client[own]["restores"].insert_one({}),
        "list all collections": lambda client: client[own].command("listCollections"),
        "watch its database": lambda client: client[own].watch().close(),
        "read what all wrote": lambda client: client["local"]["oplog.rs"].find_one(),
        "read passwords": lambda client: client["admin"]["system.users"].find_one(),
        "see users": lambda client: client.admin.command("usersInfo"),
        "make a user": lambda client: client[own].command("createUser", "x", **password, **role),
        "make an administrator": lambda client: client.admin.command("createUser", f"{user}-x", **password, **role),
        "change its password": lambda client: client.admin.command("updateUser", user, **password),
        "give itself a role": lambda client: client.admin.command("grantRolesToUser", user, **role),
        "widen its role": lambda client: client.admin.command("updateRole", user, **role),
        "set a parameter": lambda client: client.admin.command("setParameter", 1, logLevel=0),
        "read the log": lambda client: client.admin.command("getLog", "global"),
        "see the set": lambda client: client.admin.command("replSetGetStatus"),
    }
    for index in TOPOLOGIES[service].indexes:
        deeds[f"drop {index.collection}"] = lambda client, name=index.collection: client[own][name].drop()
        deeds[f"index {index.collection}"] = lambda client, name=index.collection: client[own][name].create_index("x")
    for other in others:
        for collection in ("inbox", "outbox", "events", "audits", "certificates", "contacts"):
            deeds |= deeds_in(other, collection)
    for database in (*others, own):  # last: as whoever may do it, nothing would be left to try with
        deeds[f"drop {database}"] = lambda client, name=database: client.drop_database(name)
    return deeds


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_do_nothing_in_anothers_database_and_change_nothing_that_it_announced(
    clients: dict[str, Client], service: str
) -> None:
    forbidden = forbidden_to(PREFIX, service)

    assert [name for name, deed in forbidden.items() if not is_refused(clients[service], deed)] == []
    assert len(forbidden) > 300


def test_what_is_forbidden_can_be_done_by_whoever_has_all_rights(admin_uri: str, folder: Path) -> None:
    """Else a typing error would pass for a refusal. The other installation is not needed any more."""
    forbidden = forbidden_to(SPARE, "certification")

    with pymongo.MongoClient(admin_uri) as client:
        assert [name for name, deed in forbidden.items() if is_refused(client, deed)] == []


def permitted_to(service: str) -> dict[str, Deed]:
    own = f"{PREFIX}_{service}"

    def distinct(name: str) -> dict[str, str]:
        """What its unique indexes want."""
        unique = [index for index in TOPOLOGIES[service].indexes if index.collection == name and index.unique]
        return {field: uuid.uuid4().hex for index in unique for field, _direction in index.keys}

    def written(client: Client, name: str) -> None:
        in_force = [{"$set": {"until": {"$add": ["$$NOW", 1_000]}}}]
        collection = client[own][name]
        with client.start_session() as session, session.start_transaction():
            id = collection.insert_one(distinct(name), session=session).inserted_id
            collection.update_one({"_id": id}, {"$inc": {"version": 1}}, session=session)
            collection.replace_one({"_id": "p"}, distinct(name), upsert=True, session=session)
            assert collection.find_one_and_update({"_id": id}, in_force, session=session)
            assert len(list(collection.aggregate([{"$match": {"_id": id}}], session=session))) == 1
            assert collection.delete_many({"_id": {"$in": [id, "p"]}}, session=session).deleted_count == 2

    def added(client: Client, name: str) -> None:
        with client.start_session() as session, session.start_transaction():
            id = client[own][name].insert_one({"of": service}, session=session).inserted_id
        assert client[own][name].find_one({"_id": id, "of": service})

    return {
        **{
            f"write {name}": lambda client, name=name: written(client, name)
            for name in (*WRITTEN, *TOPOLOGIES[service].own_collections)
        },
        **{f"add to {name}": lambda client, name=name: added(client, name) for name in APPENDED},
        **{f"read {name}": lambda client, name=name: client[own][name].find_one() for name in (*READ, *APPENDED)},
        "read the sandbox's clock": lambda client: client[f"{PREFIX}_sandbox"]["clock"].find_one(),
        "ask for the time": lambda client: client.admin.command("hello")["localTime"],
        "ping": lambda client: client.admin.command("ping"),
        "ask how long a transaction may live": lambda client: client.admin.command(
            "getParameter", 1, transactionLifetimeLimitSeconds=1
        )["transactionLifetimeLimitSeconds"],
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_do_what_it_has_to(clients: dict[str, Client], service: str) -> None:
    permitted = permitted_to(service)

    for name, deed in permitted.items():
        try:
            deed(clients[service])
        except OperationFailure as error:
            pytest.fail(f"{name}: {error}")


def test_a_transaction_with_one_forbidden_write_leaves_nothing_of_the_permitted_ones(
    clients: dict[str, Client], admin_uri: str
) -> None:
    database = clients["assessment"][f"{PREFIX}_assessment"]

    with (
        pytest.raises(OperationFailure) as refused,
        database.client.start_session() as session,
        session.start_transaction(),
    ):
        database["inbox"].insert_one({"_id": "half"}, session=session)
        database["events"].delete_many({}, session=session)

    assert refused.value.code == UNAUTHORIZED
    assert database["inbox"].find_one({"_id": "half"}) is None


def test_nobody_is_let_in_without_a_user_or_with_anothers_password(admin_uri: str, folder: Path) -> None:
    password = (folder / "assessment" / "mongo").read_text().strip().partition(":")[2]
    other = with_database_credentials(admin_uri, f"{user_name(PREFIX, 'membership')}:{password}")
    nobody = admin_uri.replace(admin_uri.partition("://")[2].partition("@")[0] + "@", "").partition("?")[0]

    for uri, code in ((nobody, UNAUTHORIZED), (other, AUTHENTICATION_FAILED)):
        with pytest.raises(OperationFailure) as refused, pymongo.MongoClient(uri) as client:
            client[f"{PREFIX}_assessment"]["inbox"].find_one()
        assert refused.value.code == code


def test_a_password_is_kept_and_a_file_that_is_gone_gets_another(operator_uri: str, tmp_path: Path) -> None:
    path = tmp_path / "yard" / "mongo"

    def again() -> str:
        provision_database_users(operator_uri, "kept", tmp_path, topologies=[yard()])
        return path.read_text()

    first, second = again(), again()
    opened: Client = pymongo.MongoClient(with_database_credentials(operator_uri, second))
    opened["kept_yard"]["inbox"].find_one()
    path.unlink()
    third = again()

    opened["kept_yard"]["inbox"].find_one()
    opened.close()
    assert first == second != third
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pymongo.MongoClient(with_database_credentials(operator_uri, third)) as client:
        client["kept_yard"]["inbox"].find_one()
    with (
        pytest.raises(OperationFailure) as refused,
        pymongo.MongoClient(with_database_credentials(operator_uri, first)) as client,
    ):
        client["kept_yard"]["inbox"].find_one()
    assert refused.value.code == AUTHENTICATION_FAILED


def test_users_can_be_made_and_used_before_the_database_asks_for_any(
    backing: Any, database_prefix: str, tmp_path: Path
) -> None:
    made = provision_database_users(backing.mongo_uri, database_prefix, tmp_path, topologies=[yard()])

    with pymongo.MongoClient(with_database_credentials(backing.mongo_uri, (tmp_path / "yard/mongo").read_text())) as c:
        c[f"{database_prefix}_yard"]["gates"].insert_one({})
    drop_users(backing.mongo_uri, database_prefix)
    with pymongo.MongoClient(backing.mongo_uri) as client:
        left = client.admin.command("usersInfo")["users"] + client.admin.command("rolesInfo", 1)["roles"]
    assert list(made) == [f"{database_prefix}-yard"]
    assert not [one for one in left if one.get("user", one.get("role", "")).startswith(database_prefix)]


def test_a_role_follows_what_the_service_declares(operator_uri: str, tmp_path: Path) -> None:
    provision_database_users(operator_uri, "follows", tmp_path, topologies=[yard()])
    uri = with_database_credentials(operator_uri, (tmp_path / "yard" / "mongo").read_text())

    with pymongo.MongoClient(uri) as client:
        client["follows_yard"]["gates"].insert_one({})
        provision_database_users(operator_uri, "follows", tmp_path, topologies=[yard("doors")])
        client["follows_yard"]["doors"].insert_one({})

        assert is_refused(client, lambda client: client["follows_yard"]["gates"].insert_one({}))


def test_a_role_that_is_otherwise_and_a_user_that_is_missing_are_told(operator_uri: str, tmp_path: Path) -> None:
    both = [yard(), yard(service="mill")]
    for topology in both:
        folder = tmp_path / topology.service
        provision_database_users(operator_uri, "told", folder, topologies=[topology])
    with pymongo.MongoClient(operator_uri) as client:
        as_declared = list(_of_database_users(client, "told", both))
        client.admin.command(
            "grantPrivilegesToRole",
            "told-yard",
            privileges=[{"resource": {"db": "told_yard", "collection": "events"}, "actions": ["remove"]}],
        )
        client.admin.command("grantRolesToUser", "told-yard", roles=[{"role": "read", "db": "told_mill"}])
        client.admin.command("dropUser", "told-mill")

        changed = {deviation.what: deviation for deviation in _of_database_users(client, "told", both)}

    assert as_declared == []
    more, mill = changed["database user told-yard"], changed["database user told-mill"]
    assert (mill.found, mill.wanted, mill.way_out) == ("missing", "there", PROVISION_USERS)
    assert "told_yard.events: find, insert, remove" in more.found and "told_mill." in more.found
    assert "told_yard.events: find, insert" in more.wanted and "told_yard.inbox" not in more.wanted


def test_an_installation_without_users_deviates_nowhere(operator_uri: str) -> None:
    with pymongo.MongoClient(operator_uri) as client:
        assert list(_of_database_users(client, "nobody", [yard()])) == []


def test_whoever_may_make_no_users_is_told_so_and_makes_no_passwords(
    clients: dict[str, Client], admin_uri: str, folder: Path, tmp_path: Path
) -> None:
    uri = with_database_credentials(admin_uri, (folder / "membership" / "mongo").read_text())

    with pytest.raises(UsersForbidden, match="may not make or see users"):
        provision_database_users(uri, "forbidden", tmp_path, topologies=[yard()])
    with pytest.raises(UsersForbidden):
        database_users.rights_there(clients["membership"].admin, ["forbidden-yard"])
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_the_database_is_told_without_a_password(admin_uri: str, tmp_path: Path) -> None:
    uri = with_credentials(admin_uri, "nobody:s3cret")

    with pytest.raises(ProvisioningFailed, match="Authentication failed") as told:
        provision_database_users(uri, "wrong", tmp_path, topologies=[yard()], wait_s=1)
    assert "s3cret" not in str(told.value)
