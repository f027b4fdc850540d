"""A native MongoDB replica set of one member or three, which tests can end, kill and freeze."""

import contextlib

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from touchstone_devkit.backing import native_mongodb, replica_set
from touchstone_devkit.backing.servers import Hurtable
from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.eventually import awaited
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess

PRIMARY_TIMEOUT_S = 60
STEPPED_DOWN_S = 10
ANSWER_MS = 1_000


class MongoMember(Hurtable):
    """One mongod at `address` ("host:port")."""

    def __init__(self, process: LocalProcess, address: str) -> None:
        super().__init__(process, self._wait_until_it_has_a_state)
        self.address = address

    def hello(self) -> dict[str, object]:
        """What it says of itself. Raises PyMongoError when it does not answer within a second or two."""
        client: MongoClient
        with self.client() as client:
            return dict(client.admin.command("hello"))

    def client(self) -> MongoClient:
        """To this member alone, whatever its state."""
        return MongoClient(
            self.address,
            directConnection=True,
            serverSelectionTimeoutMS=ANSWER_MS,
            connectTimeoutMS=ANSWER_MS,
            socketTimeoutMS=ANSWER_MS,
        )

    def _wait_until_it_has_a_state(self) -> None:
        """Primary or secondary, unless the set was not made yet, or this member alone cannot become either."""

        def has_one() -> bool:
            said = self.hello()
            return bool(said.get("isreplicaset") or said["isWritablePrimary"] or said["secondary"])

        awaited(has_one, f"mongod at {self.address} had no state", PRIMARY_TIMEOUT_S, ignoring=(PyMongoError,))


class MongoMembers:
    """One replica set: `members`, `primary()`, `step_down()`."""

    def __init__(self, ledger: Ledger, announce: Announce, count: int) -> None:
        program, self.origin = native_mongodb.find(announce)
        self.members = [
            MongoMember(
                native_mongodb.member_process(f"mongodb-{index}", program, ledger, port, announce), f"127.0.0.1:{port}"
            )
            for index, port in enumerate(free_ports(count))
        ]
        self.uri = ""

    def start(self) -> None:
        """Starts every member that does not run, and makes them a set the first time; then it has a primary."""
        starting = [member for member in self.members if not member.is_running]
        for member in starting:
            member.process.launch()
        for member in starting:
            member.process.wait_until_ready()
        if not self.uri:
            first, *others = [member.address for member in self.members]
            self.uri = replica_set.initiate(first, member=first, others=others)
        self.primary()

    def stop(self) -> None:
        for member in self.members:
            member.process.stop()

    def primary(self) -> int:
        """The index of the member that is primary now, waited for. Raises TimeoutError."""

        def is_primary(member: MongoMember) -> bool:
            with contextlib.suppress(PyMongoError):
                return member.is_running and bool(member.hello()["isWritablePrimary"])
            return False

        found = awaited(lambda: [*filter(is_primary, self.members)], "no primary", PRIMARY_TIMEOUT_S)
        return self.members.index(found[0])

    def step_down(self) -> None:
        """The primary gives up for ten seconds. Others are elected at once; a single member elects itself again."""
        alone = len(self.members) == 1
        client: MongoClient
        with self.members[self.primary()].client() as client, contextlib.suppress(AutoReconnect):
            client.admin.command("replSetStepDown", STEPPED_DOWN_S, secondaryCatchUpPeriodSecs=5, force=alone)
