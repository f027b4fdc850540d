"""A native RabbitMQ of one node or three, which tests can hurt: its nodes, network, alarms, connections and queues."""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterable

from touchstone_devkit.backing import native_rabbitmq
from touchstone_devkit.backing.broker import wait_until_broker_answers
from touchstone_devkit.backing.erlang_calls import ErlangCalls, EvaluationFailed
from touchstone_devkit.backing.servers import Hurtable
from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.eventually import awaited
from touchstone_devkit.folders import DATA
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess

USER = "touchstone"
START_TIMEOUT_S = 120
NET_TICKTIME_S = 8
"""Nodes that hear nothing of each other take each other for dead after 6 to 10 s; Erlang's default is 60."""
LEADER_TIMEOUT_S = 30
LEADER = "case amqqueue:get_pid(Q) of {Name, _} -> ra_leaderboard:lookup_leader(Name); Pid -> node(Pid) end"
"""Erlang: where the leader of a queue Q is, as this node has last heard."""
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
    """One RabbitMQ node: `host` ("address:port"), `amqp_uri` and `management_uri` are its own, `name` is Erlang's."""

    def __init__(
        self,
        index: int,
        program: native_rabbitmq.Program,
        ledger: Ledger,
        address: Address,
        credentials: str,
        cookie: str,
        cluster: Iterable[str],
    ) -> None:
        self.name = native_rabbitmq.node_name(address.amqp)
        self.host = f"127.0.0.1:{address.amqp}"
        self.amqp_uri = f"amqp://{credentials}@{self.host}/"
        management_port = address.management if program.has_management else None
        self.management_uri = f"http://{credentials}@127.0.0.1:{management_port}" if management_port else None
        folder = ledger.folder / DATA / f"rabbitmq-{index}"
        password = credentials.partition(":")[2]
        native_rabbitmq.write_configuration(
            folder, address.amqp, management_port, password, more=_cluster_lines(cluster)
        )
        cookie_path = folder / ".erlang.cookie"
        cookie_path.touch(mode=0o600)
        cookie_path.write_text(cookie)
        cookie_path.chmod(0o400)
        own = native_rabbitmq.environment_of(folder, address.amqp, address.dist, address.epmd)
        environment = {**program.environment, **own}
        environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += f" -kernel net_ticktime {NET_TICKTIME_S}"
        process = LocalProcess(
            f"rabbitmq-{index}",
            [str(program.server)],
            ledger=ledger,
            port=address.amqp,
            environment=environment,
            cwd=folder,
            start_timeout_s=START_TIMEOUT_S,
            stop_signal=signal.SIGKILL,  # its data is thrown away: nothing to put in order first
        )
        super().__init__(process, lambda: wait_until_broker_answers(self.amqp_uri, timeout_s=START_TIMEOUT_S))
        self._dist_port = address.dist

    def evaluate(self, expressions: str) -> str:
        """The value of Erlang expressions in this node. Raises EvaluationFailed, also when it is not running."""
        environment = {**os.environ, **self.process.environment}
        return ErlangCalls(self._dist_port, environment).evaluate(expressions)


class Brokers:
    """One RabbitMQ: `nodes`, and what can be done to it as a whole."""

    def __init__(self, ledger: Ledger, announce: Announce, count: int) -> None:
        program = native_rabbitmq.find(announce)
        self.origin = program.origin
        addresses = [Address(*free_ports(4)) for _ in range(count)]
        self._control_port, self._network = _network_process(ledger, addresses)
        self._credentials = f"{USER}:{secrets.token_urlsafe(12)}"
        cluster = [native_rabbitmq.node_name(address.amqp) for address in addresses] if count > 1 else []
        cookie = secrets.token_hex(16)
        self._cut_off: set[int] = set()
        self.nodes = [
            BrokerNode(index, program, ledger, address, self._credentials, cookie, cluster)
            for index, address in enumerate(addresses)
        ]

    def start(self) -> None:
        """Starts every node that does not run: nodes that have lost their peers wait for each other."""
        if not self._network.is_running():
            self._network.start()
        starting = [node for node in self.nodes if not node.is_running]
        for node in starting:
            node.process.launch()
        for node in starting:
            node.wait_until_usable()

    def stop(self) -> None:
        for node in self.nodes:
            node.process.stop()
        self._network.stop()

    @property
    def amqp_uri(self) -> str:
        """With the addresses of all nodes."""
        hosts = ",".join(node.host for node in self.nodes)
        return f"amqp://{self._credentials}@{hosts}/"

    @property
    def management_uri(self) -> str | None:
        """Of a node that is up, or of the first."""
        return (self._up() or self.nodes)[0].management_uri

    def cut_off(self, index: int) -> None:
        """A network partition: between this node and the others nothing arrives. Clients still reach every node."""
        self._tell_network(f"cut {index}")
        self._cut_off.add(index)

    def heal(self) -> None:
        """Ends every `cut_off`."""
        self._tell_network("heal")
        self._cut_off.clear()

    def _tell_network(self, line: str) -> None:
        with socket.create_connection(("127.0.0.1", self._control_port), timeout=5) as connection:
            connection.sendall(f"{line}\n".encode())
            if connection.recv(2) != b"ok":
                raise ConnectionError("the network of the broker's nodes does not answer")

    def memory_alarm(self, on: bool) -> None:
        """Sets a memory alarm on one node, or ends it: the whole broker then takes no messages from publishers."""
        watermark = LOW_WATERMARK if on else USUAL_WATERMARK
        self._evaluate_in(on, f"vm_memory_monitor:set_vm_memory_high_watermark({watermark})")

    def disk_alarm(self, on: bool) -> None:
        """As `memory_alarm`, for the space left on the disk."""
        limit = HIGH_DISK_LIMIT_BYTES if on else USUAL_DISK_LIMIT_BYTES
        self._evaluate_in(on, f"rabbit_disk_monitor:set_disk_free_limit({limit})")

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

        def leading() -> list[BrokerNode]:
            leaders = self._any().evaluate(f"[{LEADER} || Q <- {_queues(queue, vhost)}]")
            if leaders == "[]":
                raise KeyError(queue)
            return [node for node in self._up() if node.name in leaders]

        return self.nodes.index(awaited(leading, f"{queue} had no leader", LEADER_TIMEOUT_S)[0])

    def _evaluate_in(self, one: bool, expressions: str) -> None:
        """In one node, or in all that are up."""
        for node in [self._any()] if one else self._up():
            node.evaluate(expressions)

    def _any(self) -> BrokerNode:
        """A node that answers."""
        for node in self._up():
            with contextlib.suppress(EvaluationFailed):
                node.evaluate("ok")
                return node
        raise EvaluationFailed("no node answers")

    def _up(self) -> list[BrokerNode]:
        """The nodes that are neither down nor frozen nor cut off."""
        return [
            node
            for index, node in enumerate(self.nodes)
            if node.is_running and not node.is_frozen and index not in self._cut_off
        ]


def _queues(name: str, vhost: str | None) -> str:
    """Erlang: the records of all queues of that name."""
    resource = f"{{resource, {_binary(vhost) if vhost else '_'}, queue, {_binary(name)}}}"
    return f"[Q || Q <- rabbit_amqqueue:list(), case amqqueue:get_name(Q) of {resource} -> true; _ -> false end]"


def _binary(text: str) -> str:
    return f"<<{','.join(str(byte) for byte in text.encode())}>>"


def _cluster_lines(cluster: Iterable[str]) -> list[str]:
    """For rabbitmq.conf: nodes that start empty find each other before anything is declared."""
    nodes = [f"cluster_formation.classic_config.nodes.{number} = {name}" for number, name in enumerate(cluster, 1)]
    if not nodes:
        return []
    backend = "cluster_formation.peer_discovery_backend = classic_config"
    return [backend, *nodes, "cluster_partition_handling = pause_minority"]


def _network_process(ledger: Ledger, addresses: list[Address]) -> tuple[int, LocalProcess]:
    """(the port that takes commands, the process not started yet); see touchstone_devkit.backing.divisible_network."""
    count = len(addresses)
    control, *ports = free_ports(1 + count * count)
    nodes = [
        {"name": native_rabbitmq.node_name(address.amqp).partition("@")[0], "epmd": address.epmd, "dist": address.dist}
        for address in addresses
    ]
    links = [ports[row * count : (row + 1) * count] for row in range(count)]
    command = [sys.executable, "-m", "touchstone_devkit.backing.divisible_network", "--control", str(control)]
    command += ["--nodes", json.dumps(nodes), "--links", json.dumps(links)]
    process = LocalProcess("broker-network", command, ledger=ledger, port=control, stop_signal=signal.SIGKILL)
    return control, process
