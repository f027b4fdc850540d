"""An audit goes its whole way while each service has a database user of its own, on a database that asks for users."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest
import requests

from touchstone.provisioning.credentials import user_name
from touchstone_contracts.services import SERVICES
from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.chaos.controlled import ControlledBacking
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import a_world
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import System

CONFORMING = "a minor, plan approved"
AT_WORK = {"$currentOp": {"allUsers": True, "idleConnections": True}}


@pytest.fixture(scope="module")
def guarded_system() -> Iterator[System]:
    if os.environ.get("TOUCHSTONE_SYSTEM") == "external":
        pytest.skip("a system of these tests' own is looked at; the compose file gives every service such a user")
    try:
        backing = ControlledBacking(guarded_database=True, announce=lambda line: None)
    except Unavailable as reason:
        pytest.skip(f"native servers cannot be had here: {reason}")
    with backing:
        if not backing.management_uri:
            pytest.skip("users are made by the management API, which this broker does not have")
        with System(backing=backing, sandbox=True, announce=lambda line: None) as system:
            yield system


@pytest.fixture(scope="module")
def passwords(guarded_system: System) -> dict[str, str]:
    """By service, of its database user."""
    files = {name: Path(guarded_system.environment[f"{name.upper()}_MONGO_CREDENTIALS"]) for name in SERVICES}
    kept = {name: path.read_text().strip().partition(":") for name, path in files.items()}
    assert {user for user, _, _ in kept.values()} == users_of(guarded_system)
    return {name: password for name, (_, _, password) in kept.items()}


def users_of(system: System) -> set[str]:
    return {user_name(system.database_prefix, name) for name in SERVICES}


def test_an_audit_becomes_a_certificate_a_service_is_filled_and_each_service_is_known_by_its_own_user(
    guarded_system: System, passwords: dict[str, str]
) -> None:
    with Scheme(guarded_system.environment) as scheme:
        outcome = scheme.travel(a_world(CONFORMING, secrets.token_hex(3)))

    filled = guarded_system.run("touchstone", "backfill", "notification", "--role", "operator", "--json")

    assert outcome.certificate and outcome.complete and filled.returncode == 0, filled.stderr
    with pymongo.MongoClient(guarded_system.mongo_uri) as client:
        connections = list(client.admin.aggregate([AT_WORK, {"$match": {"appName": "touchstone"}}]))
        databases = [client[guarded_system.database(name)] for name in SERVICES]
        given_up = [database["dead_letters"].count_documents({}) for database in databases]
        logged = [database["events"].count_documents({}) for database in databases]
    assert {user["user"] for c in connections for user in c.get("effectiveUsers", [])} == users_of(guarded_system)
    assert given_up == [0] * len(SERVICES) and all(logged)


def test_every_check_of_the_database_passes_and_knows_how_long_transactions_live(guarded_system: System) -> None:
    for name in SERVICES:
        checks = {
            check["name"]: check
            for check in requests.get(f"{guarded_system.http_uris[name]}/ready", timeout=10).json()["checks"]
        }

        assert [check for check in checks.values() if not check["ok"]] == []
        assert {"database", "transaction_lifetime", "restore"} <= checks.keys()
        assert checks["transaction_lifetime"]["detail"] == "5 s"


def test_users_are_as_the_topologies_say_until_somebody_changes_one(guarded_system: System) -> None:
    check = ("touchstone", "provision", "--check", "--json", "--management-uri", str(guarded_system.management_uri))
    user = user_name(guarded_system.database_prefix, "assessment")
    everything = {"resource": {"db": guarded_system.database("assessment"), "collection": ""}, "actions": ["remove"]}

    before = guarded_system.run(*check)
    with pymongo.MongoClient(guarded_system.mongo_uri) as client:
        client.admin.command("grantPrivilegesToRole", user, privileges=[everything])
    after = guarded_system.run(*check)
    repaired = guarded_system.run("touchstone", "provision", *guarded_system.making_users)
    again = guarded_system.run(*check)

    assert (before.returncode, after.returncode, repaired.returncode, again.returncode) == (0, 3, 0, 0), before.stdout
    assert [deviation["what"] for deviation in json.loads(after.stdout)["deviations"]] == [f"database user {user}"]


def test_no_password_stands_in_a_log(guarded_system: System, passwords: dict[str, str]) -> None:
    administrator = guarded_system.mongo_uri.partition("://")[2].partition("@")[0].partition(":")[2]
    eventually(lambda: all((guarded_system.log_folder / f"{name}.log").stat().st_size for name in SERVICES))

    logs = "".join(path.read_text() for path in guarded_system.log_folder.iterdir())

    assert administrator and len(logs) > 1_000
    assert [name for name, password in passwords.items() if password in logs] == [] and administrator not in logs
