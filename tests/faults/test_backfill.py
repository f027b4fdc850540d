"""A service that lost its copies, or all it had, is filled from its producers' logs; nothing is done twice."""

import contextlib
import datetime
import functools
import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pika
import pytest
from bson import encode
from harness.workload import a_report, entity_of, small_world
from pymongo import MongoClient

from touchstone.provisioning.provision import provision
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, before_joining, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import System

COPIES = {
    "assessment": ("members", "entities", "facilities"),
    "certification": ("members", "member_standings", "member_profiles"),
    "notification": ("contacts",),
}
BACKFILL = ("backfill", "--json", "--role", "operator")
TELLS_OF_A_MEMBER = ("organisation_recorded", "membership_activated")
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


@contextlib.contextmanager
def without_queues(system: System, *queues: str) -> Iterator[None]:
    """What is published inside the block does not come to these; afterwards they are provisioned again."""
    with pika.BlockingConnection(pika.URLParameters(system.amqp_uri)) as connection:
        for queue in queues:
            connection.channel().queue_delete(queue)
    yield
    provision(system.amqp_uri, system.mongo_uri, system.database_prefix)
    system.wait_until_ready()


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


def freshness(scheme: Scheme, consumer: str) -> dict[str, dict[str, Any]]:
    """By producer, how far the consumer is with it."""
    told = scheme.register.call(OPERATOR, f"{consumer}.get_freshness")
    return {producer["producer"]: producer for producer in told["producers"]}


def in_step(scheme: Scheme, consumer: str, *, since: datetime.datetime) -> bool:
    """Whether all that its producers had committed by then is handled there."""
    moments = [producer["in_step_at"] for producer in freshness(scheme, consumer).values()]
    return all(moment and datetime.datetime.fromisoformat(moment) > since for moment in moments)


def staged(scheme: Scheme) -> World:
    world = small_world()
    stage(scheme.register, world)
    return world


def some_audits(scheme: Scheme, world: World, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        report, _outcome = a_report(world, number)
        scheme.register.call(world.member, "membership.register_entity", **entity_of(report))
        handed_in = scheme.register.call(world.body, "assessment.submit_audit_report", report=report)
        scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=handed_in["audit_id"])


def test_copies_that_were_dropped_come_back_as_they_were_and_nothing_happens_again(
    own_system: System, scheme: Scheme
) -> None:
    some_audits(scheme, staged(scheme), 2)
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

        with ThreadPoolExecutor() as both:
            told = list(both.map(functools.partial(backfill, own_system), COPIES))
        be_quiet(own_system)

        assert min(sizes) > 0 and [hash_of(copy) for copy in copies] == before
        assert [hash_of(collection, "version") for collection in own] == done
    assert [answer["left"] for answer in told] == [[]] * len(COPIES) and all(sum(a["sent"].values()) for a in told)
    assert len(list(own_system.mail_folder.glob("*.eml"))) == mails
    assert own_system.run("touchstone", "reconcile", "--role", "operator", "--grace", "0").returncode == 0


def test_a_consumer_is_in_step_when_it_has_handled_all_that_was_committed_and_says_what_it_lacks(
    own_system: System, scheme: Scheme
) -> None:
    world = staged(scheme)
    some_audits(scheme, world, 3)
    now = datetime.datetime.now(datetime.UTC)
    for consumer in COPIES:
        eventually(lambda consumer=consumer: in_step(scheme, consumer, since=now), within_s=20)
    own_system.processes["certification"].signal(signal.SIGSTOP)
    try:
        some_audits(scheme, world, 2, first=3)
    finally:
        own_system.processes["certification"].signal(signal.SIGCONT)
    later = datetime.datetime.now(datetime.UTC)

    for consumer in COPIES:
        eventually(lambda consumer=consumer: in_step(scheme, consumer, since=later), within_s=20)

    assert all(
        producer["counted"] and not producer["lacking"] for producer in freshness(scheme, "notification").values()
    )
    be_quiet(own_system)


def test_an_event_that_was_lost_on_its_way_is_lacking_until_it_comes_again(own_system: System, scheme: Scheme) -> None:
    world = staged(scheme)
    be_quiet(own_system)
    with without_queues(own_system, "certification.assessment.audit_accepted.v1"):
        some_audits(scheme, world, 1)

    lacking = eventually(lambda: freshness(scheme, "certification")["assessment"]["behind_since"], within_s=30)
    told = freshness(scheme, "certification")["assessment"]
    mended = own_system.run("touchstone", "reconcile", "--role", "operator", "--grace", "0", "--mend")

    assert lacking and told["lacking"] == {"assessment.audit_accepted": 1}, told
    now = datetime.datetime.now(datetime.UTC)
    assert mended.returncode == 0, mended.stdout
    eventually(lambda: in_step(scheme, "certification", since=now), within_s=30)
    be_quiet(own_system)


def waiting_for(scheme: Scheme, world: World) -> dict[str, Any]:
    """Where its first audit stands in certification; empty when it waits for nothing."""
    report, _outcome = a_report(world, 0)
    case = f"{report['body_id']}.{report['report_id']}"
    found = scheme.register.call(OPERATOR, "certification.list_unfinished", case=case)["items"]
    return found[0] if found else {}


def test_a_case_waits_for_the_registrar_only_if_all_has_come_that_membership_says(
    own_system: System, scheme: Scheme
) -> None:
    world = small_world()
    stage(scheme.register, before_joining(world))
    some_audits(scheme, world, 1)
    eventually(lambda: waiting_for(scheme, world).get("who") == "registrar", within_s=20)

    with without_queues(own_system, *(f"certification.membership.{name}.v1" for name in TELLS_OF_A_MEMBER)):
        stage(scheme.register, world)

    eventually(lambda: waiting_for(scheme, world)["state"] == "member not known yet", within_s=40)
    waiting = waiting_for(scheme, world)
    mended = own_system.run("touchstone", "reconcile", "--role", "operator", "--grace", "0", "--mend")
    assert waiting["who"] is None and "lacks 1 membership.membership_activated, " in waiting["waits_for"], waiting
    assert mended.returncode == 0, mended.stdout
    eventually(lambda: not waiting_for(scheme, world), within_s=30)
    be_quiet(own_system)


def test_a_service_that_lost_everything_knows_again_what_it_copies_and_tells_nobody_a_second_time(
    own_system: System, scheme: Scheme
) -> None:
    some_audits(scheme, staged(scheme), 2)
    be_quiet(own_system)
    mails = len(list(own_system.mail_folder.glob("*.eml")))
    with databases(own_system) as collections:
        contacts = hash_of(collections("notification", "contacts"))
        told = {name: list(collections("notification", name).find()) for name in ("announcements", "notices")}
        for name in ("contacts", "announcements", "notices", "inbox", "deadlines", "handled_counts", "heartbeats"):
            collections("notification", name).delete_many({})
        own_system.restart("notification")

        backfill(own_system, "notification")
        now = datetime.datetime.now(datetime.UTC)
        eventually(lambda: in_step(scheme, "notification", since=now), within_s=30)
        reconciled = own_system.run("touchstone", "reconcile", "--role", "operator", "--grace", "0", "--mend")
        be_quiet(own_system)

        notices = collections("notification", "notices").count_documents({})
        for name, documents in told.items():  # for who comes next: what is its own comes from no log
            collections("notification", name).insert_many(documents)
        assert hash_of(collections("notification", "contacts")) == contacts
        assert notices == 0, reconciled.stdout
    assert len(list(own_system.mail_folder.glob("*.eml"))) == mails
