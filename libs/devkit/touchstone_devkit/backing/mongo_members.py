"""A native MongoDB replica set of one member or three, which tests can end, kill, freeze and keep from being a set."""

import contextlib
import dataclasses
import secrets
import signal
from collections.abc import Iterator
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from touchstone_contracts.addresses import with_database_credentials
from touchstone_devkit.backing import native_mongodb, replica_set
from touchstone_devkit.backing.servers import Hurtable
from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.eventually import awaited
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess

PRIMARY_TIMEOUT_S = 60
STEPPED_DOWN_S = 10
MAINTAINED_S_MAX = 3_600
ANSWER_MS = 1_000


class MongoMember(Hurtable):
    """One mongod at `address` ("host:port")."""

    def __init__(self, process: LocalProcess, address: str, credentials: str = "") -> None:
        super().__init__(process, self._wait_until_it_has_a_state)
        self.address = address
        self.credentials = credentials
        """`user:password` of who may do everything, where it lets nobody else in."""

    def hello(self) -> dict[str, object]:
        """What it says of itself, to everybody. Raises PyMongoError when it does not answer within a second or two."""
        client: MongoClient
        with self._stranger() as client:
            return dict(client.admin.command("hello"))

    def client(self) -> MongoClient:
        """To this member alone, whatever its state."""
        user, _, password = self.credentials.partition(":")
        return self._stranger(**({"username": user, "password": password} if user else {}))

    def _stranger(self, **user: Any) -> MongoClient:
        return MongoClient(
            self.address,
            **user,
            directConnection=True,
            serverSelectionTimeoutMS=ANSWER_MS,
            connectTimeoutMS=ANSWER_MS,
            socketTimeoutMS=ANSWER_MS,
        )

    @contextlib.contextmanager
    def recovering(self) -> Iterator[None]:
        """It is in the state RECOVERING for the block, with nothing to recover. For a member that is alone."""
        with self.client() as client:
            client.admin.command("replSetStepDown", MAINTAINED_S_MAX, force=True)
            client.admin.command("replSetMaintenance", 1)
            try:
                yield
            finally:
                client.admin.command("replSetMaintenance", 0)
                client.admin.command("replSetFreeze", 0)  # it may be elected again at once

    def forget_set(self) -> None:
        """As if its files had been put back from a copy: its data is there, and it is of no set until one is initiated.

        https://www.mongodb.com/docs/manual/tutorial/restore-replica-set-from-backup/
        """
        self.term()
        alone = self.process.command[: self.process.command.index("--replSet")]
        of_no_set = dataclasses.replace(self.process, name=f"{self.process.name}-of-no-set", command=alone)
        of_no_set.stop_signal = signal.SIGTERM
        of_no_set.start()
        try:
            with self.client() as client:
                client.drop_database("local")
        finally:
            of_no_set.stop()
        self.start()

    def _wait_until_it_has_a_state(self) -> None:
        """Primary or secondary, unless the set was not made yet, or this member alone cannot become either."""

        def has_one() -> bool:
            said = self.hello()
            return bool(said.get("isreplicaset") or said["isWritablePrimary"] or said["secondary"])

        awaited(has_one, f"mongod at {self.address} had no state", PRIMARY_TIMEOUT_S, ignoring=(PyMongoError,))


class MongoMembers:
    """One replica set: `members`, `primary()`, `step_down()`."""

    def __init__(self, ledger: Ledger, announce: Announce, count: int, *, guarded: bool = False) -> None:
        """`guarded`: nobody is let in without a user; `uri` has one that may do everything."""
        program, self.origin = native_mongodb.find(announce)
        key, self._credentials = (secrets.token_hex(64), f"admin:{secrets.token_hex(16)}") if guarded else ("", "")

        def member(index: int, port: int) -> MongoMember:
            process = native_mongodb.member_process(f"mongodb-{index}", program, ledger, port, announce, key=key)
            return MongoMember(process, f"127.0.0.1:{port}", self._credentials)

        self.members = [member(index, port) for index, port in enumerate(free_ports(count))]
        self.uri = ""

    def start(self) -> None:
        """Starts every member that does not run, and makes them a set the first time; then it has a primary."""
        self.launch()
        if not self.uri:
            self.initiate()
        self.primary()

    def launch(self) -> None:
        """Starts every member that does not run."""
        starting = [member for member in self.members if not member.is_running]
        for member in starting:
            member.process.launch()
        for member in starting:
            member.process.wait_until_ready()

    def initiate(self) -> None:
        """Makes them a set, which has a primary then."""
        first, *others = [member.address for member in self.members]
        self.uri = replica_set.initiate(first, member=first, others=others)
        if self._credentials:
            replica_set.make_administrator(first, self._credentials)
            self.uri = with_database_credentials(self.uri, self._credentials)

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

    def step_down(self, for_s: int = STEPPED_DOWN_S) -> None:
        """The primary gives up. Others are elected at once; a single member elects itself again after that time."""
        alone = len(self.members) == 1
        client: MongoClient
        with self.members[self.primary()].client() as client, contextlib.suppress(AutoReconnect):
            client.admin.command("replSetStepDown", for_s, secondaryCatchUpPeriodSecs=min(5, for_s - 1), force=alone)
