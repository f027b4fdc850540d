"""A native RabbitMQ whose nodes tests can end, kill and freeze, and whose alarms, connections and queues they control."""

import dataclasses
import os
import secrets
import signal
import time

from touchstone_devkit import native_rabbitmq
from touchstone_devkit.broker import wait_until_broker_answers
from touchstone_devkit.erlang_calls import ErlangCalls, EvaluationFailed
from touchstone_devkit.hurting import Hurtable
from touchstone_devkit.leftovers import DATA, Ledger
from touchstone_devkit.native_rabbitmq import START_TIMEOUT_S
from touchstone_devkit.ports import free_ports
from touchstone_devkit.processes import LocalProcess
from touchstone_devkit.sources import Announce, Unavailable

USER = "touchstone"
LEADER_TIMEOUT_S = 30
LOW_WATERMARK, USUAL_WATERMARK = "0.00001", "0.4"
HIGH_DISK_LIMIT_BYTES, USUAL_DISK_LIMIT_BYTES = 10**18, 10**8


@dataclasses.dataclass(frozen=True)
class Address:
    """Where one node listens; everything on loopback."""

    amqp: int
    dist: int
    epmd: int
    management: int


class BrokerNode(Hurtable):
    """One RabbitMQ node: `amqp_uri` and `management_uri` are its own addresses, `name` is Erlang's."""

    def __init__(
        self, index: int, program: native_rabbitmq.Program, ledger: Ledger, address: Address, password: str
    ) -> None:
        self.name = native_rabbitmq.node_name(address.amqp)
        self.amqp_uri = f"amqp://{USER}:{password}@127.0.0.1:{address.amqp}/"
        self.management_uri = (
            f"http://{USER}:{password}@127.0.0.1:{address.management}" if program.has_management else None
        )
        folder = ledger.folder / DATA / f"rabbitmq-{index}"
        management_port = address.management if program.has_management else None
        native_rabbitmq.write_configuration(folder, address.amqp, management_port, password)
        environment = program.environment() | native_rabbitmq.environment_of(
            folder, address.amqp, address.dist, address.epmd
        )
        process = native_rabbitmq.server_process(
            f"rabbitmq-{index}", program, ledger, folder, address.amqp, environment
        )
        super().__init__(process, lambda: wait_until_broker_answers(self.amqp_uri, timeout_s=START_TIMEOUT_S))
        self._calls = ErlangCalls(address.dist, {**os.environ, **environment})

    def evaluate(self, expressions: str) -> str:
        """The value of Erlang expressions in this node. Raises EvaluationFailed, also when it is not running."""
        return self._calls.evaluate(expressions)


class Brokers:
    """One RabbitMQ: `nodes`, and what can be done to it as a whole."""

    def __init__(self, ledger: Ledger, announce: Announce, count: int) -> None:
        program = native_rabbitmq.find(announce)
        if not program.epmd:
            raise Unavailable("a rabbitmq-server is there, but no epmd (part of Erlang)")
        self.origin = program.origin
        password = secrets.token_urlsafe(12)
        (epmd_port,) = free_ports(1)
        self._epmd = _epmd_process(program.epmd, ledger, epmd_port)
        (amqp, dist, management) = free_ports(3)
        self.nodes = [BrokerNode(0, program, ledger, Address(amqp, dist, epmd_port, management), password)]

    def start(self) -> None:
        self._epmd.start()
        for node in self.nodes:
            node.start()

    def stop(self) -> None:
        for node in self.nodes:
            node.process.stop()
        self._epmd.stop()

    @property
    def amqp_uri(self) -> str:
        return self.nodes[0].amqp_uri

    @property
    def management_uri(self) -> str | None:
        return self.nodes[0].management_uri

    def memory_alarm(self, on: bool) -> None:
        """Sets or ends a memory alarm on node 0: the whole broker then takes no messages from publishers."""
        watermark = LOW_WATERMARK if on else USUAL_WATERMARK
        self.nodes[0].evaluate(f"vm_memory_monitor:set_vm_memory_high_watermark({watermark})")

    def disk_alarm(self, on: bool) -> None:
        """As `memory_alarm`, for the space left on the disk."""
        limit = HIGH_DISK_LIMIT_BYTES if on else USUAL_DISK_LIMIT_BYTES
        self.nodes[0].evaluate(f"rabbit_disk_monitor:set_disk_free_limit({limit})")

    def close_all_connections(self) -> None:
        """The broker closes every client's connection, with reply code 320."""
        self._any().evaluate(
            '[rabbit_networking:close_connection(Pid, <<"fault injection">>) || Pid <- rabbit_networking:connections()]'
        )

    def delete_queue(self, name: str, vhost: str | None = None) -> None:
        """Deletes the queue with all its messages, in one vhost or in every one that has it. Raises KeyError."""
        found = self._any().evaluate(
            f"Found = {_queues(name, vhost)}, "
            '[{ok, _} = rabbit_amqqueue:delete(Q, false, false, <<"fault injection">>) || Q <- Found], length(Found)'
        )
        if found == "0":
            raise KeyError(name)

    def leader_of(self, queue: str, vhost: str | None = None) -> int:
        """The index of the node on which the leader of a queue is. Raises KeyError if there is no such queue."""
        deadline = time.monotonic() + LEADER_TIMEOUT_S
        while True:
            pids = self._any().evaluate(f"[amqqueue:get_pid(Q) || Q <- {_queues(queue, vhost)}]")
            if pids == "[]":
                raise KeyError(queue)
            for index, node in enumerate(self.nodes):
                if node.name in pids:
                    return index
            if time.monotonic() > deadline:
                raise TimeoutError(f"{queue} had no leader within {LEADER_TIMEOUT_S} s")
            time.sleep(0.1)

    def _any(self) -> BrokerNode:
        """A node that answers."""
        for node in self.nodes:
            if node.is_running:
                try:
                    node.evaluate("ok")
                except EvaluationFailed:
                    continue
                return node
        raise EvaluationFailed("no node answers")


def _queues(name: str, vhost: str | None) -> str:
    """Erlang: the records of all queues of that name."""
    resource = f"{{resource, {_binary(vhost) if vhost else '_'}, queue, {_binary(name)}}}"
    return f"[Q || Q <- rabbit_amqqueue:list(), case amqqueue:get_name(Q) of {resource} -> true; _ -> false end]"


def _binary(text: str) -> str:
    return f"<<{','.join(str(byte) for byte in text.encode())}>>"


def _epmd_process(program: str, ledger: Ledger, port: int) -> LocalProcess:
    command = [program, "-port", str(port), "-address", "127.0.0.1"]
    return LocalProcess("epmd", command, ledger=ledger, port=port, stop_signal=signal.SIGKILL)
