"""Puts the moments of several processes together to one audit's way: steps in a row, and what ran beside them.

An audit is known by the idempotency key of its submission; the messages that follow carry its correlation id.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from touchstone_devkit.profiling.moments import Batch, Moment, Recorded, Work

PATH = (
    ("assessment", "rpc-assessment"),
    ("certification", "certification.assessment.audit_accepted"),
    ("notification", "notification.certification.certificate_issued"),
)
"""The services that an audit passes, and the queue of each; of an event any version counts."""

STEPS = {
    "work_started": "wait for a worker",
    "decoded": "decode",
    "authenticated": "check the token",
    "handler_begun": "begin",
    "looked_up": "look for an earlier answer",
    "validated": "validate",
    "handler_done": "handler with its reads",
    "commit_asked": "prepare the commit",
    "group_begun": "wait for a group commit",
    "before_commit": "write in the transaction",
    "committed": "commit the transaction",
}
"""Moments of a work in their order, each with what was done before it came."""
CALLS_ONLY = {"authenticated", "looked_up"}
OPTIONAL = {"handler_begun", "commit_asked", "group_begun"}
"""Where nobody waits for a group, there is no such moment."""
SAME = {
    "rpc_commit": "handler_done",
    "after_commit": "committed",
    "group_committed": "committed",
    "publish_begun": "relay_claim",
    "publish_confirmed": "relay_confirm",
}
"""Other names that a moment goes by; of two that stand for one, the first counts."""
RELAYED = {"relay_claim": "wait for the relay", "relay_publish": "write to the broker"}
TRIED, IN_BROKER, TO_SERVICE = "earlier tries", "broker: store, deliver", "client, broker: send, route, deliver"
BESIDE = (
    ("answer the caller", ("rpc_reply",), ("rpc_ack",)),
    ("acknowledge", ("rpc_ack", "before_ack"), ("settled",)),
)
BESIDE_RELAY = (
    ("wait for the confirm", "relay_publish", "relay_confirm"),
    ("mark as published", "relay_confirm", "relay_mark"),
)


@dataclasses.dataclass(frozen=True)
class Step:
    """A part of an audit's way. Times in nanoseconds of unix time; `cpu` None where nobody counted it."""

    hop: str
    name: str
    begun: int
    ended: int
    cpu: int | None = None

    @property
    def ms(self) -> float:
        return (self.ended - self.begun) / 1e6


@dataclasses.dataclass
class Trace:
    """One audit: `path` leads from the submission to the notice without a gap; `beside` delays nothing on it.

    `commands` are the database's; `tries` counts handlers that had to run again, `deliveries` what came again.
    """

    key: str
    path: list[Step]
    beside: list[Step]
    commands: list[Step]
    tries: int = 0
    deliveries: int = 0

    @property
    def ms(self) -> float:
        return (self.path[-1].ended - self.path[0].begun) / 1e6


@dataclasses.dataclass(frozen=True)
class Sent:
    """A submission as its client saw it: when the call began and when it was answered, in nanoseconds."""

    key: str
    begun: int
    answered: int


@dataclasses.dataclass(frozen=True)
class Load:
    """What was handed in, how long all of it took, and the CPU time (seconds) of each service meanwhile."""

    sent: list[Sent]
    wall_s: float
    cpu_s: Mapping[str, float]

    def holds(self, moment: Moment) -> bool:
        """Whether it came while this was handed in and carried out."""
        begun = min(sent.begun for sent in self.sent)
        return begun <= moment.at <= begun + int(self.wall_s * 1e9)


class Assembly:
    """Finds the works and batches that belong to an audit."""

    def __init__(self, recorded: Mapping[str, Recorded]) -> None:
        """`recorded`: by service."""
        self._by_key: dict[str, list[Work]] = {}
        self._arrived: dict[tuple[str, str], list[Work]] = {}
        self._groups: dict[tuple[str, str], list[Batch]] = {}
        self._published: dict[tuple[str, str], Batch] = {}
        self._relayed: dict[str, list[Batch]] = {service: [] for service, _ in PATH}
        for (service, queue), here in ((place, recorded.get(place[0], Recorded())) for place in PATH):
            for work in here.works:
                self._keep(service, queue, work)
            for batch in here.batches:
                self._keep_batch(service, batch)

    def _keep(self, service: str, queue: str, work: Work) -> None:
        if work.queue == queue or work.queue.startswith(f"{queue}."):
            self._arrived.setdefault((service, work.correlation), []).append(work)
        if work.key:
            self._by_key.setdefault(work.key, []).append(work)

    def _keep_batch(self, service: str, batch: Batch) -> None:
        if batch.kind == "relay":
            self._relayed[service].append(batch)
        for name in dict.fromkeys(batch.names):  # named at the beginning, and again at the end
            if batch.kind == "relay":
                self._published.setdefault((service, name), batch)
            else:
                self._groups.setdefault((service, name), []).append(batch)

    def trace(self, sent: Sent) -> Trace | None:
        """The audit's way, or None where a service recorded nothing of it or did not come to its commit."""
        submitted = self._by_key.get(sent.key, [])
        if not submitted:
            return None
        trace = Trace(sent.key, [], [Step("client", "until the answer", sent.begun, sent.answered)], [])
        at, correlation, came_by = sent.begun, submitted[0].correlation, TO_SERVICE
        for number, (service, _queue) in enumerate(PATH):
            arrived = submitted if number == 0 else self._arrived.get((service, correlation), [])
            work = _the_one_that_counts(arrived)
            if work is None:
                return None
            trace.deliveries += len(arrived) - 1
            if number > 0:
                at, came_by = self._relay(trace, PATH[number - 1][0], work, at)
            at = _extend(trace.path, service, came_by, at, work.received)
            at, committed = self._inside(trace, service, work, at)
            if not committed:
                return None
        return trace

    def _inside(self, trace: Trace, service: str, work: Work, at: int) -> tuple[int, bool]:
        """The steps from reading the message to the commit. Gives when it ended, and whether there was a commit."""
        moments, tries = _in_order([*work.moments, *self._of_groups(service, work)])
        trace.tries += tries
        missing: list[str] = []
        before: Moment | None = None
        at = work.received
        for point, name in _expected(service):
            moment = moments.get(point)
            if moment is None:
                missing += [] if point in OPTIONAL else [name]
                continue
            label = " + ".join([*([TRIED] if moment.names.get("again") else []), *missing, name])
            at = _extend(trace.path, service, label, at, moment.at, _cpu(before, moment))
            missing, before = [], moment
        trace.beside += _beside(service, work)
        trace.commands += _commands(service, [*work.moments, *self._of_groups(service, work)])
        return at, "committed" in moments

    def _of_groups(self, service: str, work: Work) -> list[Moment]:
        """What was done for it by whoever committed its group, with the group's size."""
        ended = work.last("settled")
        until = ended.at if ended else None
        names = {work.unit, f"{work.correlation}/"} if service == PATH[0][0] else {work.unit}
        found = [batch for name in names for batch in self._groups.get((service, name), [])]
        return [
            dataclasses.replace(moment, shared=max(1, len(set(batch.names))))
            for batch in found
            for moment in batch.moments
            if moment.at >= work.received and (until is None or moment.at <= until)
        ]

    def _relay(self, trace: Trace, service: str, following: Work, at: int) -> tuple[int, str]:
        """The steps from the commit to the broker. Gives when the last ended, and what the next step is called."""
        batch = self._published.get((service, following.message)) or self._by_time(service, at, following.received)
        if batch is None:
            return at, f"relay + {IN_BROKER}"
        before: Moment | None = None
        moments: dict[str, Moment] = {}
        for moment in batch.moments:
            point = SAME.get(moment.point, moment.point)
            moments.setdefault(point, dataclasses.replace(moment, shared=max(1, len(set(batch.names)))))
        for point, name in RELAYED.items():
            moment_there = moments.get(point)
            if moment_there is not None:
                cpu = _cpu(before, moment_there) if batch.names else None  # else nobody knows among how many
                at = _extend(trace.path, service, name, at, moment_there.at, cpu)
                before = moment_there
        for name, begun, ended in BESIDE_RELAY:
            if begun in moments and ended in moments:
                step = _step(service, name, moments[begun], moments[ended])
                trace.beside.append(step if batch.names else dataclasses.replace(step, cpu=None))
        trace.commands += _commands(service, batch.moments)
        return at, IN_BROKER if "relay_publish" in moments else f"relay + {IN_BROKER}"

    def _by_time(self, service: str, committed: int, received: int) -> Batch | None:
        """The first window that was begun after the commit: one follows the other, and each takes all that is there."""
        for batch in self._relayed[service]:
            claimed = batch.at("relay_claim")
            if not batch.names and claimed is not None and committed <= claimed <= received:
                return batch
        return None


def _the_one_that_counts(works: list[Work]) -> Work | None:
    """Of several deliveries of one message the first that was committed."""
    committed = [work for work in works if work.last("after_commit", "commit_known", "settled")]
    return min(committed or works, key=lambda work: work.received, default=None)


def _expected(service: str) -> list[tuple[str, str]]:
    is_call = service == PATH[0][0]
    names = {} if is_call else {"decoded": "decode, validate"}
    left_out = set() if is_call else {*CALLS_ONLY, "validated"}
    return [(point, names.get(point, name)) for point, name in STEPS.items() if point not in left_out]


def _in_order(moments: Iterable[Moment]) -> tuple[dict[str, Moment], int]:
    """Of each point the moment that counts, and how often something was begun again.

    What is begun again undoes what came after it; the time that it took is a step of its own.
    """
    ranks = {point: rank for rank, point in enumerate(STEPS)}
    kept: list[tuple[int, Moment]] = []
    tries = 0
    for moment in sorted(_derived(moments), key=lambda m: m.at):
        point = SAME.get(moment.point, moment.point)
        rank = ranks.get(point)
        if rank is None:
            continue
        if kept and kept[-1][0] == rank and (point == "committed" or kept[-1][1].point != moment.point):
            continue  # another name for the moment before
        if kept and kept[-1][0] >= rank:
            tries += 1
            while kept and kept[-1][0] >= rank:
                kept.pop()
            moment = dataclasses.replace(moment, names=moment.names | {"again": True})
        kept.append((rank, moment))
    return {SAME.get(moment.point, moment.point): moment for _rank, moment in kept}, tries


def _derived(moments: Iterable[Moment]) -> list[Moment]:
    """The moments; without one at the end of the handler, the first write of the transaction says when that was."""
    ordered = sorted(moments, key=lambda m: m.at)
    if any(m.point in ("handler_done", "rpc_commit") for m in ordered):
        return ordered
    for moment in ordered:
        if moment.point == "database" and moment.names["command"] == "insert" and moment.names["of"] == "inbox":
            at, cpu = moment.at - moment.names["took"], moment.names["cpu_before"]
            begun = Moment(at, "handler_done", moment.greenlet, cpu, shared=moment.shared)
            return sorted([*ordered, begun], key=lambda m: m.at)
    return ordered


def _extend(path: list[Step], hop: str, name: str, begun: int, ended: int, cpu: int | None = None) -> int:
    """Add a step, and give its end. Clocks of one machine agree; should a moment come early, its step is empty."""
    ended = max(begun, ended)
    path.append(Step(hop, name, begun, ended, cpu))
    return ended


def _cpu(begun: Moment | None, ended: Moment) -> int | None:
    if begun is None or begun.greenlet != ended.greenlet or not ended.greenlet:
        return None
    return max(0, ended.cpu - begun.cpu) // ended.shared


def _step(hop: str, name: str, begun: Moment, ended: Moment) -> Step:
    return Step(hop, name, begun.at, max(begun.at, ended.at), _cpu(begun, ended))


def _beside(service: str, work: Work) -> list[Step]:
    steps = []
    for name, begins, ends in BESIDE:
        begun, ended = work.last(*begins), work.last(*ends)
        if begun is not None and ended is not None:
            steps.append(_step(service, name, begun, ended))
    return steps


def _commands(service: str, moments: Iterable[Moment]) -> list[Step]:
    """What it asked of the database; where one query answers many, from when it asked until it was answered."""
    steps: list[Step] = []
    asked: dict[str, int] = {}
    for moment in moments:
        if moment.point == "database":
            steps.append(Step(service, command_name(moment), moment.at - moment.names["took"], moment.at))
        elif moment.point == "read_asked":
            asked[moment.names["key"]] = moment.at
        elif moment.point == "read_done" and moment.names["key"] in asked:
            name = moment.names["key"]
            steps.append(Step(service, f"answer on {name}", asked.pop(name), moment.at))
    return steps


def command_name(moment: Moment) -> str:
    """The command, and the collection where it has one."""
    return f"{moment.names['command']} {moment.names['of']}".strip()
