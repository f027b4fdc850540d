"""A database that is in its start, or between two states: nothing is given up, and work goes on by itself as soon as
it can be written to, in any order of start and whether the address says `directConnection` or not."""

import contextlib
import datetime
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from touchstone.provisioning.provision import ProvisioningFailed, provision, provision_databases
from touchstone_chassis.mongo.client import connect, transact
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import ServiceTopology, dead_letter, retry_queue
from touchstone_devkit.backing.mongo_members import MongoMember, MongoMembers
from touchstone_devkit.backing.replica_set import NAME, directly
from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.eventually import eventually, patience
from touchstone_devkit.processes.leftovers import new_run

BACK_S = 8
"""Such a database is noticed within seconds: asked once a second, and work begins at once."""
ANEW_S = 12
"""What the driver remembers is forgotten every five seconds."""
BY_THE_SET = f"mongodb://%s/?replicaSet={NAME}"
URIS = {
    "by the set": BY_THE_SET,
    "direct": directly(BY_THE_SET),
    "direct, of any set": "mongodb://%s/?directConnection=true",
}
LONG = pytest.mark.long
DAY = datetime.date(2026, 1, 1)
EVENTS = 24
SERVICE = """
from marshmallow import Schema
from touchstone_chassis.api import DomainClock, Health, query
from touchstone_contracts.roles import PUBLIC

class Toy:
    name = "process"
    health, clock = Health(), DomainClock()

    @query(Schema(), roles=PUBLIC)
    def day(self, request, caller):
        return self.clock.today().toordinal()
"""


def an_accreditation(body_id: str) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")


@pytest.fixture(scope="module")
def members(say: Callable[[str], None]) -> Iterator[MongoMembers]:
    """A set of one member, of these tests' own."""
    with new_run() as ledger:
        try:
            members = MongoMembers(ledger, say, 1)
            members.start()
        except Unavailable as reason:
            pytest.skip(f"a native mongod cannot be had here: {reason}")
        yield members
        members.stop()
        ledger.close()


@pytest.fixture
def member(members: MongoMembers) -> MongoMember:
    members.start()
    return members.members[0]


@pytest.fixture
def mongo_uri(uri: str, member: MongoMember, settings: dict[str, Any]) -> str:
    """The address of that member, as a test wants it; the toy has it, too."""
    settings["MONGO_URI"] = URIS[uri] % member.address
    return str(settings["MONGO_URI"])


@pytest.fixture
def source() -> str:
    return SERVICE


def each_uri(*, short: str = "") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("uri", [uri if uri == short else pytest.param(uri, marks=LONG) for uri in URIS])


def is_asked(bus: Any) -> bool:
    return "result" in bus.call("get_thing", id="b-0") and bus.call("get_thing", id="b-0")["error"] is None


def all_is_handled(database: Any, bus: Any, count: int) -> None:
    """As soon as the database is back, and with nothing counted against any event."""
    back = time.monotonic()
    eventually(lambda: database["things"].count_documents({}) == count, within_s=BACK_S)
    eventually(lambda: is_asked(bus), within_s=BACK_S)
    assert time.monotonic() - back < BACK_S * patience()
    assert database["inbox"].count_documents({"retries": {"$gt": 0}}) == 0
    assert bus.count(dead_letter("toy")) == bus.count(retry_queue("toy", 1)) == 0


@pytest.fixture
def database(mongo_uri: str, settings: dict[str, Any]) -> Iterator[Any]:
    """By a client of the test's own, which meets the server only when it is back."""
    yield lambda: connect(mongo_uri)[settings["database"]]


@each_uri()
def test_a_lone_member_that_is_killed_and_comes_back_is_noticed(mongo_uri, toy, bus, resources, member, database):
    for number in range(EVENTS):
        if number == EVENTS // 2:
            member.kill()
        bus.publish_event(an_accreditation(f"b-{number}"))
    eventually(lambda: resources.circuit_breaker.open_for_s > 0, within_s=20)

    member.start()

    all_is_handled(database(), bus, EVENTS)


@each_uri(short="direct")
def test_a_member_that_was_kept_in_recovering_is_noticed(mongo_uri, toy, bus, resources, member, database):
    with member.recovering():
        eventually(lambda: resources.circuit_breaker.open_for_s > 0)  # though nothing comes in
        for number in range(EVENTS):
            bus.publish_event(an_accreditation(f"b-{number}"))
        answer = bus.call("get_thing", id="b-0")
        eventually(lambda: resources.circuit_breaker.open_for_s > 1)

    assert answer["error"]["code"] in ("unavailable", "deadline_exceeded")
    all_is_handled(database(), bus, EVENTS)


@each_uri()
def test_a_service_that_was_there_before_its_database_is_ready_when_that_is(
    mongo_uri, members, member, start, environ, database_prefix
):
    member.forget_set()
    process = start(MONGO_URI=mongo_uri).until_live()
    eventually(lambda: process.checks().get("database", (True, ""))[0] is False, within_s=20)

    members.initiate()
    provision(environ["AMQP_URI"], mongo_uri, database_prefix, [ServiceTopology(service="process")])

    eventually(lambda: process.get("/ready")[0] == 200, within_s=BACK_S)


@each_uri()
def test_a_set_that_was_initiated_anew_is_noticed(mongo_uri, members, member, start):
    members.step_down(for_s=1)  # a later election than the first one of the set to come
    members.primary()
    process = start(MONGO_URI=mongo_uri).until_ready()

    member.forget_set()
    members.initiate()

    eventually(lambda: process.get("/ready")[0] == 200, within_s=ANEW_S)


@each_uri(short="direct")
def test_provisioning_waits_for_a_member_that_is_in_its_start(mongo_uri, member, database_prefix):
    def provisioned(wait_s: float) -> list[str]:
        service = [ServiceTopology(service="process")]
        return provision_databases(mongo_uri, database_prefix, service, wait_s=wait_s)[0]

    with ThreadPoolExecutor(1) as pool:
        with member.recovering():
            with pytest.raises(ProvisioningFailed):
                provisioned(1)
            provisioning = pool.submit(provisioned, 60)
            with member.client() as client:
                eventually(lambda: "touchstone provision" in apps_at(client))

        assert provisioning.result()


@pytest.mark.parametrize(("forgotten", "goes_on"), [(True, True), (False, False)], ids=["", "not if none is forgotten"])
def test_a_connection_that_was_opened_too_early_is_replaced(member, database_prefix, forgotten, goes_on, monkeypatch):
    if not forgotten:
        monkeypatch.setattr("touchstone_chassis.mongo.client.forget_servers", lambda _client: None)
    with connect(URIS["direct"] % member.address) as client:
        things = client[f"{database_prefix}_toy"]["things"]
        with member.recovering(), pytest.raises(ConfigurationError):
            write(things)
        eventually(lambda: member.hello()["isWritablePrimary"])
        eventually(lambda: client.is_primary)

        outcomes = [written(things) for _ in range(3)]

    assert any(outcomes) == goes_on


def apps_at(client: Any) -> set[str]:
    return {known.get("appName", "") for known in client.admin.command("currentOp", True)["inprog"]}


def write(things: Any) -> None:
    transact(things.database, lambda session: things.insert_one({}, session=session))


def written(things: Any) -> bool:
    with contextlib.suppress(ConfigurationError):
        write(things)
        return True
    return False
