"""The infrastructure cases that exist: which fault strikes in which moment, and what must be reached."""

import dataclasses
import random
import signal
from collections.abc import Mapping

from harness import striking

from touchstone_contracts.services import SERVICES, WITH_CASES

AT_REST, UNDER_LOAD, BACKLOG, DEPLOY = "rest", "load", "backlog", "deploy"
MOMENTS: Mapping[str, str] = {
    AT_REST: "nothing is under way; work begins when the fault is over, or has struck and others take over",
    UNDER_LOAD: "audits are handed in and accepted all the time",
    BACKLOG: "a service was down, some hundreds of audits wait for it, and it has just come back",
    DEPLOY: "the services are restarted one after the other with SIGTERM, under load",
}
ANY, ONE, LONE, DIRECT, CLUSTER, REPLICAS = "any", "one", "lone", "direct", "cluster", "replicas"
SERVERS: Mapping[str, tuple[int, int] | None] = {
    ANY: None,
    ONE: (1, 1),
    LONE: (1, 1),
    DIRECT: (1, 1),
    CLUSTER: (3, 1),
    REPLICAS: (1, 3),
}
"""Nodes of the broker and members of the database that the cases of a group need; None: they leave those alone. To
those of ONE it does not matter how many members there are; those of DIRECT have `directConnection` in the address."""

BROKER_BACK_S, PRIMARY_LOST_S, DATABASE_BACK_S, CONSUMER_KILLED_S, FORGED_S = 5.0, 15.0, 5.0, 7.0, 5.0
NOTICE_SENT = "notification.notice_sent."
NO_FAULT = "nothing"

_NO_EVENTS = "{} consumes no events, so nothing can pile up for it but calls"


@dataclasses.dataclass(frozen=True, eq=False)
class Fault:
    """One way in which the infrastructure fails."""

    name: str
    strike: striking.Strike
    servers: str = ANY
    consumer: str = "certification"
    """Whose backlog it strikes."""
    shows_recovery: str = NOTICE_SENT
    """How the types of the events begin of which the first shows that work goes on."""
    recovery_s_max: float | None = None
    not_in: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The moments in which it does not exist, and why."""
    provisions: bool = False
    """Whether an operator has to provision, and to reconcile, afterwards."""
    forges: bool = False
    """Whether something is left afterwards that is not true: each must be named as that, until somebody discards it."""


def _broker(name: str, strike: striking.Strike) -> Fault:
    return Fault(f"broker/{name}", strike, ONE, recovery_s_max=BROKER_BACK_S)


def _database(name: str, strike: striking.Strike, recovery_s_max: float | None = PRIMARY_LOST_S) -> Fault:
    return Fault(f"database/{name}", strike, REPLICAS, recovery_s_max=recovery_s_max)


def _of_one_member(name: str, strike: striking.Strike, recovery_s_max: float = DATABASE_BACK_S) -> list[Fault]:
    return [
        Fault(f"database/{servers}-{name}", strike, servers, recovery_s_max=recovery_s_max)
        for servers in (LONE, DIRECT)
    ]


def _mail(name: str, strike: striking.Strike) -> Fault:
    return Fault(f"mail/{name}", strike, consumer="notification")


def _killed(service: str) -> Fault:
    return Fault(
        f"consumer/{service}-killed",
        striking.service_killed(service),
        consumer=service,
        shows_recovery=f"{service}.",
        recovery_s_max=CONSUMER_KILLED_S,
        not_in={BACKLOG: _NO_EVENTS.format(service)} if service == "membership" else {},
    )


def _killed_repeatedly(service: str) -> Fault:
    only = "the point of it is what was prefetched, which needs a backlog"
    return Fault(
        f"consumer/{service}-killed-{striking.KILLS}-times",
        striking.service_killed(service, striking.KILLS),
        consumer=service,
        shows_recovery=f"{service}.",
        recovery_s_max=CONSUMER_KILLED_S,
        not_in={AT_REST: only, UNDER_LOAD: only, DEPLOY: only},
    )


FAULTS = (
    _broker("term", striking.broker_ended("term")),
    _broker("kill", striking.broker_ended("kill")),
    _broker("stop", striking.broker_stopped),
    _broker("memory-alarm", striking.alarm("memory")),
    _broker("disk-alarm", striking.alarm("disk")),
    _broker("connections-closed", striking.connections_closed),
    Fault(
        "broker/queue-deleted",
        striking.queue_deleted,
        ONE,
        not_in={AT_REST: "at rest the queue holds nothing that could be lost with it"},
        provisions=True,
    ),
    Fault(
        "broker/forged-events",
        striking.forged,
        recovery_s_max=FORGED_S,
        not_in={AT_REST: "at rest there is no acceptance yet that could be copied"},
        forges=True,
    ),
    Fault("cluster/leader-killed", striking.leader_killed, CLUSTER),
    Fault("cluster/node-cut-off", striking.node_cut_off, CLUSTER),
    _database("primary-killed", striking.primary_killed),
    _database("primary-stepped-down", striking.primary_stepped_down),
    _database("primary-stopped", striking.primary_stopped),
    _database("down-60s", striking.database_down, None),
    *_of_one_member("killed", striking.member_killed),
    *_of_one_member("recovering", striking.member_recovering),
    *_of_one_member("initiated-late", striking.member_initiated_late, PRIMARY_LOST_S),
    _mail("term", striking.mail_ended(signal.SIGTERM)),
    _mail("kill", striking.mail_ended(signal.SIGKILL)),
    _mail("stop", striking.mail_stopped),
    _mail("down-60s", striking.mail_down),
    *(_killed(service) for service in SERVICES),
    *(_killed_repeatedly(service) for service in WITH_CASES),
    Fault(
        NO_FAULT,
        striking.nothing,
        not_in={moment: "without a fault only a deploy can do harm" for moment in MOMENTS if moment != DEPLOY},
    ),
)


@dataclasses.dataclass(frozen=True)
class InfrastructureCase:
    """A fault that strikes in a moment."""

    fault: Fault
    moment: str
    kind = "infrastructure"

    @property
    def name(self) -> str:
        return f"{self.fault.name}/{self.moment}"

    @property
    def servers(self) -> str:
        return self.fault.servers

    def random(self, seed: int) -> random.Random:
        """Decides what the case leaves open: how far the work is when the fault strikes, and in which order services
        are restarted."""
        return random.Random(f"{seed} {self.name}")


ALL = [InfrastructureCase(fault, moment) for fault in FAULTS for moment in MOMENTS if moment not in fault.not_in]


def named(name: str) -> InfrastructureCase:
    return next(case for case in ALL if case.name == name)
