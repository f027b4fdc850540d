"""Inflicts each infrastructure fault: on brokers, databases, the mail server and the services themselves."""

import dataclasses
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.blow import Blow
from harness.workload import Say

from touchstone.rpc.blocking import Channel, open_connection
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import event_queue
from touchstone_devkit.chaos import forging
from touchstone_devkit.system.runner import MAIL_SINK, System

HEARTBEAT_S = 5
STOPPED_S = 3 * HEARTBEAT_S + 1
"""Longer than the broker waits for a sign of life: it has then closed the connection."""
ALARM_S = 15.0
BROKER_DOWN_S = 5.0
NODE_DOWN_S = 20.0
MEMBER_DOWN_S = 20.0
DATABASE_DOWN_S = 60.0
LONE_DOWN_S = 10.0
MAIL_DOWN_S = 60.0
KILLS = 12
READY_S = 180.0
BUSY_QUEUE = event_queue("certification", AuditAccepted.type_name)  # type: ignore[attr-defined]
HOLDS_MESSAGES_S = 10.0


@dataclasses.dataclass
class Target:
    """What a fault strikes at. `backing` is a ControlledBacking for the faults that need servers of their own."""

    system: System
    backing: Any
    random: random.Random
    say: Say = lambda _line: None
    pause: Callable[[float], object] = time.sleep
    heard: Sequence[Mapping[str, Any]] = ()
    """The events of this case so far."""
    forgeries: list[forging.Forgery] = dataclasses.field(default_factory=list)
    """What was published in it that is not true."""


Strike = Callable[[Target, Blow], None]


def nothing(target: Target, blow: Blow) -> None:
    """No fault at all: what a deploy alone does."""
    blow.strike()
    blow.recover()


def broker_ended(how: str) -> Strike:
    """`how` is `term` or `kill`."""

    def strike(target: Target, blow: Blow) -> None:
        node = target.backing.broker.nodes[0]
        blow.strike()
        getattr(node, how)()
        target.pause(BROKER_DOWN_S)
        node.start()
        blow.recover()

    return strike


def broker_stopped(target: Target, blow: Blow) -> None:
    node = target.backing.broker.nodes[0]
    blow.strike()
    node.freeze()
    try:
        target.pause(STOPPED_S)
    finally:
        node.thaw()
    blow.recover()


def alarm(kind: str) -> Strike:
    """`kind` is `memory` or `disk`."""

    def strike(target: Target, blow: Blow) -> None:
        sound = getattr(target.backing.broker, f"{kind}_alarm")
        blow.strike()
        sound(True)
        try:
            target.pause(ALARM_S)
        finally:
            sound(False)
        blow.recover()

    return strike


def connections_closed(target: Target, blow: Blow) -> None:
    blow.strike()
    target.backing.broker.close_all_connections()
    blow.recover(blow.struck_at)


def queue_deleted(target: Target, blow: Blow) -> None:
    """Deleted with what it holds; then everything is provisioned again, as an operator would.

    It has struck only if there were messages to be lost.
    """
    with open_connection(target.system.amqp_uri, wait_s=5) as connection:
        channel = connection.channel()
        _wait_until_it_holds_messages(channel)
        lost = channel.queue_delete(BUSY_QUEUE).method.message_count
    target.say(f"{BUSY_QUEUE} is deleted with {lost} messages")
    if lost:
        blow.strike()
    target.pause(2.0)
    done = target.system.run("touchstone", "provision")
    if done.returncode != 0:
        raise RuntimeError(f"touchstone provision: {(done.stdout + done.stderr)[-500:]}")
    if lost:
        blow.recover()


def forged(target: Target, blow: Blow) -> None:
    """Somebody with an account on the broker tells of acceptances that assessment did not make."""
    _until(lambda: any(map(_is_acceptance, target.heard)), "no audit was accepted")
    accepted = next(filter(_is_acceptance, target.heard))
    blow.strike()
    for reason in forging.REASONS:
        target.forgeries.append(forging.forge(target.system.amqp_uri, accepted, reason))
    blow.recover(blow.struck_at)


def leader_killed(target: Target, blow: Blow) -> None:
    """The node that leads the busiest queue; it comes back later."""
    broker = target.backing.broker
    node = broker.nodes[broker.leader_of(BUSY_QUEUE)]
    blow.strike()
    node.kill()
    blow.recover(blow.struck_at)
    target.pause(NODE_DOWN_S)
    node.start()


def node_cut_off(target: Target, blow: Blow) -> None:
    """A network partition: one node on this side, two on the other."""
    broker = target.backing.broker
    blow.strike()
    broker.cut_off(broker.leader_of(BUSY_QUEUE))
    blow.recover(blow.struck_at)
    try:
        target.pause(NODE_DOWN_S)
    finally:
        broker.heal()


def primary_killed(target: Target, blow: Blow) -> None:
    mongo = target.backing.mongo
    member = mongo.members[mongo.primary()]
    blow.strike()
    member.kill()
    blow.recover(blow.struck_at)
    target.pause(MEMBER_DOWN_S)
    member.start()


def primary_stepped_down(target: Target, blow: Blow) -> None:
    blow.strike()
    target.backing.mongo.step_down()
    blow.recover(blow.struck_at)


def primary_stopped(target: Target, blow: Blow) -> None:
    mongo = target.backing.mongo
    member = mongo.members[mongo.primary()]
    blow.strike()
    member.freeze()
    blow.recover(blow.struck_at)
    try:
        target.pause(MEMBER_DOWN_S)
    finally:
        member.thaw()


def database_down(target: Target, blow: Blow) -> None:
    """Every member is killed, and all are started again a minute later."""
    mongo = target.backing.mongo
    blow.strike()
    for member in mongo.members:
        member.kill()
    target.pause(DATABASE_DOWN_S)
    for member in mongo.members:
        member.start()
    mongo.primary()
    blow.recover()


def member_killed(target: Target, blow: Blow) -> None:
    """The only one."""
    mongo = target.backing.mongo
    blow.strike()
    mongo.members[0].kill()
    target.pause(LONE_DOWN_S)
    mongo.start()
    blow.recover()


def member_recovering(target: Target, blow: Blow) -> None:
    """The only one comes back, and is neither primary nor secondary when its clients connect."""
    mongo = target.backing.mongo
    blow.strike()
    mongo.members[0].kill()
    mongo.start()
    with mongo.members[0].recovering():
        target.pause(LONE_DOWN_S)
    mongo.primary()
    blow.recover()


def member_initiated_late(target: Target, blow: Blow) -> None:
    """The only one comes back with its data and of no set, as from a copy of its files; later it is made one.

    In the new set elections are counted anew: so there was more than one in the old one.
    """
    mongo = target.backing.mongo
    mongo.step_down(for_s=1)
    mongo.primary()
    blow.strike()
    mongo.members[0].forget_set()
    target.pause(LONE_DOWN_S)
    mongo.initiate()
    blow.recover()


def mail_ended(number: int) -> Strike:
    """The mail server gets this signal; its supervisor starts it again."""

    def strike(target: Target, blow: Blow) -> None:
        sink = target.system.processes[MAIL_SINK]
        before = sink.restarts
        blow.strike()
        sink.signal(number)
        _until(lambda: sink.restarts > before and sink.is_ready(), "the mail server did not come back")
        blow.recover()

    return strike


def mail_stopped(target: Target, blow: Blow) -> None:
    sink = target.system.processes[MAIL_SINK]
    blow.strike()
    sink.signal(signal.SIGSTOP)
    try:
        target.pause(STOPPED_S)
    finally:
        sink.signal(signal.SIGCONT)
    blow.recover()


def mail_down(target: Target, blow: Blow) -> None:
    sink = target.system.processes[MAIL_SINK]
    blow.strike()
    sink.hold()
    try:
        target.pause(MAIL_DOWN_S)
    finally:
        sink.release()
    _until(sink.is_ready, "the mail server did not come back")
    blow.recover()


def service_killed(service: str, times: int = 1) -> Strike:
    """SIGKILL; again and again, each time as soon as the service is ready."""

    def strike(target: Target, blow: Blow) -> None:
        process = target.system.processes[service]
        blow.strike()
        for _ in range(times):
            before = process.restarts
            process.forget_deaths()
            blow.recovers_from = time.time()
            process.signal(signal.SIGKILL)
            if times == 1:
                blow.recover(blow.recovers_from)
            _until(lambda before=before: process.restarts > before and process.is_ready(), f"{service} stays away")
        blow.recover(blow.recovers_from)

    return strike


def _is_acceptance(message: Mapping[str, Any]) -> bool:
    return bool(message["type"] == forging.ACCEPTED)


def _wait_until_it_holds_messages(channel: Channel) -> None:
    """For a while: under little load the queue is empty most of the time."""
    until = time.monotonic() + HOLDS_MESSAGES_S
    while time.monotonic() < until:
        if channel.queue_declare(BUSY_QUEUE, passive=True).method.message_count:
            return
        time.sleep(0.02)


def _until(probe: Callable[[], object], complaint: str) -> None:
    until = time.monotonic() + READY_S
    while not probe():
        if time.monotonic() > until:
            raise TimeoutError(f"{complaint} within {READY_S:g} s")
        time.sleep(0.05)
