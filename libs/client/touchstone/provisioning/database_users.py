"""The database's users: one for each service, which may do to each collection that it declares what it has to.

In MongoDB a right to one collection takes nothing away from a right to the whole database: hence a role that names
every collection, made from the same topologies as indexes and queues. See docs/adr/0030.
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import pymongo.errors
from pymongo.database import Database

from touchstone.provisioning.credentials import kept_password, user_name
from touchstone.provisioning.provision import ProvisioningFailed, chosen, databases
from touchstone_contracts.bookkeeping import APPENDED, CLOCK, READ, SANDBOX, WRITTEN
from touchstone_contracts.topology import ServiceTopology

USERS_DATABASE = "admin"
"""Where users and roles stand, all of them, so that a role may speak of two databases and of the cluster."""
FIND = frozenset({"find"})
FIND_AND_INSERT = FIND | {"insert"}
FIND_AND_WRITE = FIND_AND_INSERT | {"update", "remove"}
CLUSTER, ASK_PARAMETERS = "cluster", frozenset({"getParameter"})
"""How long a transaction may live is a parameter of the server, and a health check warns of too long a time."""

_ALREADY_THERE = {51_002, 51_003}
_NOT_ALLOWED = {13, 59, 8_000}
"""Unauthorized; CommandNotFound; AtlasError, of a service where users are made elsewhere."""

Rights = Mapping[str, frozenset[str]]
"""Actions by place: `<database>.<collection>`, or CLUSTER."""


class UsersForbidden(ProvisioningFailed):
    """The database lets whoever provisions neither make users nor look at them."""


def service_rights(prefix: str, topology: ServiceTopology) -> Rights:
    """A service reads and writes its own collections. What it announced it adds to, and neither changes nor removes."""
    kept = {
        **dict.fromkeys((*WRITTEN, *topology.own_collections), FIND_AND_WRITE),
        **dict.fromkeys(APPENDED, FIND_AND_INSERT),
        **dict.fromkeys(READ, FIND),
    }
    rights = {f"{prefix}_{topology.service}.{collection}": actions for collection, actions in kept.items()}
    return {**rights, f"{prefix}_{SANDBOX}.{CLOCK}": FIND, CLUSTER: ASK_PARAMETERS}


def provision_database_users(
    mongo_uri: str,
    prefix: str,
    folder: pathlib.Path,
    *,
    topologies: Iterable[ServiceTopology] | None = None,
    wait_s: float = 30,
) -> dict[str, str]:
    """Make each user and its role, and its password in the file `<who>/mongo` in `folder`, where there is none yet.

    Gives the files by user. Whoever has no file any more has got a new password. Raises UsersForbidden, where nothing
    was made, ProvisioningFailed and KeyUnusable.
    """
    made = {}
    with databases(mongo_uri, prefix, chosen(topologies), wait_s=wait_s) as each:
        for topology, database in each:
            users, name = database.client[USERS_DATABASE], user_name(prefix, topology.service)
            path = folder / topology.service / "mongo"
            _put(users, "Role", name, privileges=_privileges(service_rights(prefix, topology)), roles=[])
            role = {"role": name, "db": USERS_DATABASE}
            _put(users, "User", name, pwd=kept_password(path, name), roles=[role], mechanisms=["SCRAM-SHA-256"])
            made[name] = str(path)
    return made


def rights_there(users: Database, names: Iterable[str]) -> dict[str, Rights]:
    """Of those users that are there, all that their roles let them do. Raises UsersForbidden and PyMongoError."""
    asked = [{"user": name, "db": USERS_DATABASE} for name in names]
    try:
        found = users.command("usersInfo", asked, showPrivileges=True)["users"]
    except pymongo.errors.OperationFailure as error:
        _tell_forbidden(error)
        raise
    return {user["user"]: _rights(user["inheritedPrivileges"]) for user in found}


def _put(users: Database, kind: str, name: str, **content: Any) -> None:
    """Make the user or role, or make it so where it is there; several jobs may do so at once."""
    content["writeConcern"] = {"w": "majority"}
    try:
        try:
            users.command(f"create{kind}", name, **content)
        except pymongo.errors.OperationFailure as error:
            if error.code not in _ALREADY_THERE:
                raise
            users.command(f"update{kind}", name, **content)
    except pymongo.errors.OperationFailure as error:
        _tell_forbidden(error)
        raise


def _tell_forbidden(error: pymongo.errors.OperationFailure) -> None:
    if error.code in _NOT_ALLOWED:
        told = f"the user in the database's address may not make or see users (code {error.code})"
        raise UsersForbidden([told]) from error


def _privileges(rights: Rights) -> list[dict[str, Any]]:
    return [{"resource": _resource(place), "actions": sorted(actions)} for place, actions in rights.items()]


def _resource(place: str) -> dict[str, Any]:
    database, _, collection = place.partition(".")
    return {"cluster": True} if place == CLUSTER else {"db": database, "collection": collection}


def _rights(privileges: Iterable[Mapping[str, Any]]) -> Rights:
    rights: dict[str, frozenset[str]] = {}
    for privilege in privileges:
        place = _place(privilege["resource"])
        rights[place] = rights.get(place, frozenset()) | set(privilege["actions"])
    return rights


def _place(resource: Mapping[str, Any]) -> str:
    if "collection" in resource:
        return f"{resource['db']}.{resource['collection']}"
    return CLUSTER if "cluster" in resource else str(dict(resource))  # a kind of resource that we give to nobody
