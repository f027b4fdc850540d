"""What is measured, how often and with how many audits: the whole of it, or the quick one."""

import dataclasses
from typing import TypeVar

PEERS = ("plain_nameko", "raw_pika", "fast_stream", "celery_tasks", "dramatiq_actors")
CEILING = "ceiling"
TOUCHSTONE = "touchstone"
SUBJECTS = (TOUCHSTONE, *PEERS, CEILING)
PARTS = ("validation", "rpc", "throughput", "latency", "fanout", "processes", "delivery", "backlog")
CONTACTS = 3
"""One each for the member, the body and the Secretariat."""
Named = TypeVar("Named", str, int)
RPC_CLIENTS = ("touchstone", "nameko", "pika")


@dataclasses.dataclass(frozen=True)
class Load:
    """`rate` in audits a second; `of_last` instead: that part of the throughput of the load before it."""

    label: str
    submitters: int
    audits: int
    rate: float | None = None
    of_last: float | None = None


@dataclasses.dataclass(frozen=True)
class Setup:
    """How a subject is started, and the loads that it gets, one after the other."""

    loads: tuple[Load, ...]
    label: str = ""
    contacts: int = CONTACTS
    processes: int = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """All sizes. `short_rounds` are those of the parts that are no goal of their own, or long."""

    quick: bool
    rounds: int
    short_rounds: int
    warm_up: int
    throughput: Setup
    latency: Setup
    latency_subjects: tuple[str, ...]
    fanout: tuple[Setup, ...]
    fanout_subjects: tuple[str, ...]
    processes: tuple[Setup, ...]
    processes_subjects: tuple[str, ...]
    backlogs: tuple[int, ...]
    backlogs_once: tuple[int, ...]
    delivery_audits: int
    rpc_seconds: float
    validation_audits: int
    repeat_s: float | None = None
    """After so many seconds no further round is begun, of any part; each has one round at least."""


def whole(rounds: int = 7, audits: int = 2000) -> Plan:
    """Some hours."""
    return Plan(
        quick=False,
        rounds=rounds,
        short_rounds=min(rounds, 3),
        warm_up=100,
        throughput=_throughput({1: audits // 4, 16: audits, 64: audits, 256: audits}),
        latency=_latency(probe=audits // 2, low=400, half=audits),
        latency_subjects=SUBJECTS,
        fanout=tuple(_fanout(n, audits // 10 if n == 100 else audits // 2) for n in (1, 10, 100)),
        fanout_subjects=SUBJECTS,
        processes=tuple(_processes(n, audits) for n in (1, 2)),
        processes_subjects=SUBJECTS,
        backlogs=(1_000, 10_000, 50_000),
        backlogs_once=(200_000,),
        delivery_audits=audits,
        rpc_seconds=4,
        validation_audits=400,
    )


def quick(rounds: int = 3, audits: int = 200) -> Plan:
    """Under ten minutes: fewer of everything; what is a goal comes first, and no backlog is of a goal's size."""
    return Plan(
        quick=True,
        rounds=rounds,
        short_rounds=1,
        warm_up=24,
        throughput=_throughput({16: audits, 64: audits}),
        latency=_latency(probe=audits, low=60, half=audits),
        latency_subjects=(TOUCHSTONE, "plain_nameko"),
        fanout=tuple(_fanout(n, max(1, audits // n)) for n in (1, 10)),
        fanout_subjects=(TOUCHSTONE,),
        processes=tuple(_processes(n, audits) for n in (1, 2)),
        processes_subjects=(TOUCHSTONE,),
        backlogs=(500, 2_000),
        backlogs_once=(),
        delivery_audits=100,
        rpc_seconds=1,
        validation_audits=100,
        repeat_s=330,
    )


def rotated(names: tuple[Named, ...], number: int) -> tuple[Named, ...]:
    """The order of a round, counted from 1: each name comes first in turn."""
    start = (number - 1) % len(names)
    return names[start:] + names[:start]


def _throughput(audits: dict[int, int]) -> Setup:
    return Setup(tuple(Load(str(submitters), submitters, count) for submitters, count in audits.items()))


def _latency(*, probe: int, low: int, half: int) -> Setup:
    return Setup(
        (
            Load("low", 1, low, rate=20),
            Load("most", 64, probe),
            Load("half", 16, half, of_last=0.5),
        )
    )


def _fanout(contacts: int, audits: int) -> Setup:
    return Setup((Load(str(contacts), 64, audits),), label="contacts", contacts=contacts)


def _processes(count: int, audits: int) -> Setup:
    return Setup((Load(str(count), 64, audits),), label="processes", processes=count)


def expected_s(plan: Plan, parts: list[str]) -> dict[str, float]:
    """Roughly how long each part takes at 150 audits a second: the first estimate of what remains."""

    def going(setups: tuple[Setup, ...], subjects: tuple[str, ...], rounds: int) -> float:
        seconds = [START_S + sum(LOAD_S + _audits_s(load) for load in setup.loads) for setup in setups]
        return sum(seconds) * len(subjects) * rounds

    backlogs = sum(plan.backlogs) * plan.short_rounds + sum(plan.backlogs_once)
    times = len(plan.backlogs) * plan.short_rounds + len(plan.backlogs_once)
    known = {
        "validation": plan.rounds * 2.0,
        "rpc": START_S + plan.rounds * 2 * len(RPC_CLIENTS) * (plan.rpc_seconds + 1),
        "throughput": going((plan.throughput,), SUBJECTS, plan.rounds),
        "latency": going((plan.latency,), plan.latency_subjects, plan.rounds),
        "fanout": going(plan.fanout, plan.fanout_subjects, plan.short_rounds),
        "processes": going(plan.processes, plan.processes_subjects, plan.short_rounds),
        "delivery": plan.short_rounds * (START_S + plan.delivery_audits * CONTACTS / 50),
        "backlog": times * 2 * START_S + backlogs / 300,
    }
    return {part: known[part] for part in parts}


START_S, LOAD_S = 6.0, 2.5
"""Of a subject, with its first audits; of a load generator."""


def _audits_s(load: Load) -> float:
    return load.audits / (load.rate or (50 if load.submitters == 1 else 150))
