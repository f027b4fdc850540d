"""A service that lost its copies, or all it had, is filled from its producers' logs; nothing is done twice."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bson import encode
from harness.workload import a_report, small_world
from pymongo import MongoClient

from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import stage
from touchstone_devkit.system.runner import System

COPIES = {"certification": ("member_standings", "member_profiles"), "notification": ("contacts",)}
BACKFILL = ("backfill", "--json", "--role", "operator")
OWN = {"certification": ("cases", "certificates"), "notification": ("announcements", "notices")}


@pytest.fixture
def scheme(own_system: System) -> Iterator[Scheme]:
    with Scheme(own_system.environment) as scheme:
        yield scheme


@contextlib.contextmanager
def databases(system: System) -> Iterator[Callable[[str, str], Any]]:
    """Gives a collection of a service's database."""
    client: MongoClient
    with MongoClient(system.mongo_uri) as client:
        yield lambda service, name: client[system.database(service)][name]


def be_quiet(system: System) -> None:
    wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=90)


def hash_of(collection: Any, *without: str) -> str:
    """Of all its documents, field by field, in the order of their ids."""
    digest = hashlib.sha256()
    for document in collection.find({}, dict.fromkeys(without, 0), sort=[("_id", 1)]):
        digest.update(encode(dict(sorted(document.items()))))
    return digest.hexdigest()


def backfill(system: System, consumer: str) -> dict[str, Any]:
    done = system.run("touchstone", *BACKFILL, consumer, timeout_s=200)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def some_audits(scheme: Scheme, count: int) -> None:
    world = small_world()
    stage(scheme.register, world)
    for number in range(count):
        report, _outcome = a_report(world, number)
        handed_in = scheme.register.call(world.body, "assessment.submit_audit_report", report=report)
        scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=handed_in["audit_id"])


def test_copies_that_were_dropped_come_back_as_they_were_and_nothing_happens_again(
    own_system: System, scheme: Scheme
) -> None:
    some_audits(scheme, 2)
    be_quiet(own_system)
    with databases(own_system) as collections:
        copies = [collections(service, name) for service, names in COPIES.items() for name in names]
        own = [collections(service, name) for service, names in OWN.items() for name in names]
        before = [hash_of(copy) for copy in copies]
        done, mails = (
            [hash_of(collection, "version") for collection in own],
            len(list(own_system.mail_folder.glob("*.eml"))),
        )
        sizes = [copy.count_documents({}) for copy in copies]
        for copy in copies:
            copy.delete_many({})

        told = [backfill(own_system, consumer) for consumer in COPIES]
        be_quiet(own_system)

        assert min(sizes) > 0 and [hash_of(copy) for copy in copies] == before
        assert [hash_of(collection, "version") for collection in own] == done
    assert [answer["left"] for answer in told] == [[], []] and all(sum(a["sent"].values()) for a in told)
    assert len(list(own_system.mail_folder.glob("*.eml"))) == mails
    assert own_system.run("touchstone", "reconcile", "--role", "operator", "--grace", "0").returncode == 0


def test_a_service_that_lost_everything_knows_again_what_it_copies_and_tells_nobody_a_second_time(
    own_system: System, scheme: Scheme
) -> None:
    some_audits(scheme, 2)
    be_quiet(own_system)
    mails = len(list(own_system.mail_folder.glob("*.eml")))
    with databases(own_system) as collections:
        contacts = hash_of(collections("notification", "contacts"))
        for name in ("contacts", "announcements", "notices", "inbox", "deadlines", "events", "outbox"):
            collections("notification", name).delete_many({})
        own_system.restart("notification")

        backfill(own_system, "notification")
        reconciled = own_system.run("touchstone", "reconcile", "--role", "operator", "--grace", "0", "--mend")
        be_quiet(own_system)

        assert hash_of(collections("notification", "contacts")) == contacts
        assert collections("notification", "notices").count_documents({}) == 0, reconciled.stdout
    assert len(list(own_system.mail_folder.glob("*.eml"))) == mails
