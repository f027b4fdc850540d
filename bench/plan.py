"""What is measured, how often and with how many audits: the whole of it, or the quick one."""

import math
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

PEERS = ("plain_nameko", "raw_pika", "celery_tasks", "dramatiq_actors", "ceiling")
"""The last is the least code that does the same durable hops."""
TOUCHSTONE = "touchstone"
SUBJECTS = (TOUCHSTONE, *PEERS)
PARTS = ("validation", "rpc", "throughput", "latency", "fanout", "processes", "delivery", "backlog")
RPC_CLIENTS = ("touchstone", "nameko", "pika")
LOW_RATE, RATES = 20, (34, 70, 100, 140)
"""Audits a second that fall due whether or not those before are done: of these latencies are measured."""
RATED = (TOUCHSTONE, "plain_nameko", "raw_pika", "dramatiq_actors")
"""What is measured at all of these; the others at the lowest one alone."""
CONTACTS = 3
"""One each for the member, the body and the Secretariat."""
Named = TypeVar("Named", str, int)


class Load(NamedTuple):
    """`rate` in audits a second; `of_last` instead: that part of the throughput of the load before it.

    `subjects`: those that get this load.
    """

    label: str
    submitters: int
    audits: int
    rate: float | None = None
    of_last: float | None = None
    subjects: tuple[str, ...] = SUBJECTS


class Setup(NamedTuple):
    """How a subject is started, and the loads that it gets, one after the other."""

    loads: tuple[Load, ...]
    contacts: int = CONTACTS
    processes: int = 1


class Comparison(NamedTuple):
    """A part in which every subject is measured in every setup, in each round."""

    setups: tuple[Setup, ...]
    subjects: tuple[str, ...]
    rounds: int


class Plan(NamedTuple):
    """All sizes. `short_rounds` are those of the parts that are no goal of their own, or long."""

    comparisons: Mapping[str, Comparison]
    rounds: int
    short_rounds: int
    delivery_audits: int
    quick: bool = False
    warm_up: int = 100
    backlogs: tuple[int, ...] = (1_000, 10_000, 50_000)
    backlogs_once: tuple[int, ...] = (200_000,)
    rpc_seconds: float = 4
    validation_audits: int = 400
    repeat_s: float = math.inf
    """After so many seconds no further round is begun, of any part; each has one round at least."""


def whole(rounds: int = 7, audits: int = 2000) -> Plan:
    """Some hours."""
    short_rounds = min(rounds, 3)
    throughput = {1: audits // 4, 16: audits, 64: audits, 256: audits}
    fanout = {1: audits // 2, 10: audits // 2, 100: audits // 10}
    comparisons = {
        "throughput": Comparison((_throughput(throughput),), SUBJECTS, rounds),
        "latency": Comparison((_latency(low=400, rates=RATES, probe=audits // 2, half=audits),), SUBJECTS, rounds),
        "fanout": Comparison(_fanout(fanout), SUBJECTS, short_rounds),
        "processes": Comparison(_processes(audits), SUBJECTS, short_rounds),
    }
    return Plan(comparisons, rounds, short_rounds, delivery_audits=audits)


def quick(rounds: int = 3, audits: int = 200) -> Plan:
    """Under ten minutes: fewer of everything; what is a goal comes first, and no backlog is of a goal's size."""
    latency = _latency(low=60, rates=RATES[:1], probe=audits, half=audits)
    comparisons = {
        "throughput": Comparison((_throughput({16: audits, 64: audits}),), SUBJECTS, rounds),
        "latency": Comparison((latency,), (TOUCHSTONE, "plain_nameko"), rounds),
        "fanout": Comparison(_fanout({1: audits, 10: max(1, audits // 10)}), (TOUCHSTONE,), 1),
        "processes": Comparison(_processes(audits), (TOUCHSTONE,), 1),
    }
    less = {"warm_up": 24, "rpc_seconds": 1, "validation_audits": 100, "repeat_s": 330}
    return Plan(
        comparisons, rounds, 1, delivery_audits=100, quick=True, backlogs=(500, 2_000), backlogs_once=(), **less
    )


def rotated(names: tuple[Named, ...], number: int) -> tuple[Named, ...]:
    """The order of a round, counted from 1: each name comes first in turn."""
    start = (number - 1) % len(names)
    return names[start:] + names[:start]


def _throughput(audits: Mapping[int, int]) -> Setup:
    return Setup(tuple(Load(str(submitters), submitters, count) for submitters, count in audits.items()))


def _latency(*, low: int, rates: tuple[int, ...], probe: int, half: int) -> Setup:
    """Each rate for as long as the low one."""
    rated = (Load(str(rate), 16, low * rate // LOW_RATE, rate, subjects=RATED) for rate in rates)
    lowest = Load("low", 16, low, rate=LOW_RATE)
    return Setup((lowest, *rated, Load("most", 64, probe), Load("half", 16, half, of_last=0.5)))


def _fanout(audits: Mapping[int, int]) -> tuple[Setup, ...]:
    return tuple(Setup((Load(str(n), 64, count),), contacts=n) for n, count in audits.items())


def _processes(audits: int) -> tuple[Setup, ...]:
    return tuple(Setup((Load(str(count), 64, audits),), processes=count) for count in (1, 2))
