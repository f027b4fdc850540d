"""A service as a process of its own: how it starts, says that it is ready, and ends."""

import datetime
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pika
import pymongo
import pytest

from touchstone_chassis.mongo.clock import move
from touchstone_devkit.eventually import eventually, patience
from touchstone_devkit.processes.ports import free_ports

SERVICE = """
import os
import eventlet
import structlog
from marshmallow import Schema, fields
from nameko.extensions import DependencyProvider
from touchstone_chassis.api import query
from touchstone_chassis.api import DomainClock, Health, Settings
from touchstone_contracts.roles import PUBLIC

class SettingsSchema(Schema):
    greeting = fields.String(required=True)
    size = fields.Integer(required=True, strict=True)

class Seconds(Schema):
    seconds = fields.Float(required=True)

class Nothing(Schema):
    pass

class Mortal(DependencyProvider):
    def start(self):
        if os.environ.get("TOY_DIES"):
            self.container.spawn_managed_thread(self.die)
    def die(self):
        raise ValueError("Ms Rosa Diaz")

class Toy:
    name = "process"
    health, clock, settings, mortal = Health(), DomainClock(), Settings(SettingsSchema()), Mortal()

    @query(Seconds(), roles=PUBLIC)
    def slow(self, request, caller):
        structlog.get_logger().info("slow_begun")
        eventlet.sleep(request["seconds"])
        return self.settings["greeting"]

    @query(Nothing(), roles=PUBLIC)
    def stuck(self, request, caller):
        while True:
            pass

    @query(Nothing(), roles=PUBLIC)
    def day(self, request, caller):
        return self.clock.today().toordinal()
"""


class Caller:
    """Calls the toy and waits for its answers, on a connection of its own."""

    def __init__(self, amqp_uri: str):
        self.connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.replies = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.replies, "nameko-rpc", self.replies)

    def send(self, method: str, **kwargs: Any) -> None:
        properties = pika.BasicProperties(
            content_type="application/json", reply_to=self.replies, correlation_id=method, headers={}
        )
        body = json.dumps({"args": [], "kwargs": kwargs}).encode()
        self.channel.basic_publish("nameko-rpc", f"process.{method}", body, properties)

    def reply(self) -> Any:
        return json.loads(eventually(lambda: self.channel.basic_get(self.replies, auto_ack=True)[2], within_s=15))

    def ask(self, method: str, **kwargs: Any) -> Any:
        self.send(method, **kwargs)
        return self.reply()

    def taken(self) -> bool:
        """Whether the toy has taken everything from its queue."""
        return self.channel.queue_declare("rpc-process", passive=True).method.message_count == 0


@pytest.fixture
def source() -> str:
    """The module that the process runs."""
    return SERVICE


@pytest.fixture
def caller(environ: dict[str, str]) -> Iterator[Caller]:
    caller = Caller(environ["AMQP_URI"])
    yield caller
    caller.connection.close()


def test_a_started_service_is_ready_and_shows_its_metrics(start: Any, caller: Caller) -> None:
    process = start().until_ready()

    checks = process.checks()
    answer = caller.ask("slow", seconds=0)
    metrics = process.get("/metrics")[1]

    assert all(ok for ok, _ in checks.values())
    assert {"consumers", "database", "outbox_lag", "transaction_lifetime"} <= set(checks)
    assert answer["result"] == "hello"
    assert 'touchstone_rpc_requests_total{method="slow",outcome="ok"} 1.0' in metrics
    assert "process_resident_memory_bytes" in metrics


def test_its_port_serves_nothing_but_health(start: Any) -> None:
    process = start().until_live()

    assert process.get("/")[0] == 404
    assert process.get("/live", "POST")[0] == 405


def test_a_log_line_is_json_and_the_start_says_no_secret(start: Any) -> None:
    process = start().until_ready()

    assert process.logged("health_served")
    eventually(lambda: process.logged("started"))
    assert all(line["service"] == "process" for line in process.log())
    assert "guest:guest" not in process.out.read_text()
    assert process.err.read_text() == ""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_call_under_way_finish(start: Any, caller: Caller, signum: int) -> None:
    process = start().until_ready()
    caller.send("slow", seconds=1)
    eventually(lambda: process.logged("slow_begun"))

    process.signal(signum)

    assert caller.reply()["result"] == "hello"
    assert process.exit_code() == 0
    assert process.logged("ended")["exit_code"] == 0  # type: ignore[index]


def test_a_service_that_drains_is_live_but_not_ready(start: Any, caller: Caller) -> None:
    process = start().until_ready()
    caller.send("slow", seconds=3)
    eventually(lambda: process.logged("slow_begun"))

    process.signal()

    eventually(lambda: process.checks().get("not_stopping") == (False, "the service is stopping"))
    assert process.get("/live")[0] == 200
    assert process.exit_code() == 0


def test_work_that_outlasts_the_limit_is_cut_off_and_delivered_again(start: Any, caller: Caller) -> None:
    process = start(DRAIN_S="1").until_ready()
    caller.send("slow", seconds=60)
    eventually(lambda: process.logged("slow_begun"))
    began = time.monotonic()

    process.signal()

    assert process.exit_code() == 1
    assert time.monotonic() - began < 4 * patience()
    assert process.logged("not_drained_in_time")
    eventually(lambda: not caller.taken())


def test_a_handler_that_never_gives_way_is_cut_off_as_well(start: Any, caller: Caller) -> None:
    process = start(DRAIN_S="1").until_ready()
    caller.send("stuck")
    eventually(caller.taken)
    eventually(lambda: process.get("/live")[0] == 0, within_s=30)

    process.signal()

    assert process.exit_code() == 1


def test_a_handler_that_never_gives_way_is_named_when_asked_for(start: Any, caller: Caller) -> None:
    process = start().until_ready()
    caller.send("stuck")
    eventually(lambda: process.get("/live")[0] == 0, within_s=30)

    process.signal(signal.SIGUSR1)

    eventually(lambda: "in stuck" in process.err.read_text())
    assert process.popen.poll() is None


def test_a_second_signal_ends_the_process_at_once(start: Any, caller: Caller) -> None:
    process = start().until_ready()
    caller.send("slow", seconds=60)
    eventually(lambda: process.logged("slow_begun"))
    began = time.monotonic()

    process.signal()
    eventually(lambda: process.logged("stopping"))
    process.signal()

    assert process.exit_code() == 1
    assert time.monotonic() - began < 2 * patience()


def test_without_a_broker_it_lives_is_not_ready_and_stops_when_told(start: Any) -> None:
    process = start(AMQP_URI=f"amqp://guest:pa55@127.0.0.1:{free_ports(1)[0]}/").until_live()
    eventually(lambda: process.checks().get("database", (False,))[0])
    assert process.get("/ready")[0] == 503
    began = time.monotonic()

    process.signal()

    assert process.exit_code() == 0
    assert time.monotonic() - began < 5 * patience()
    assert "pa55" not in process.out.read_text() + process.err.read_text()


def test_without_a_database_it_lives_and_is_not_ready_within_two_seconds(start: Any) -> None:
    process = start(MONGO_URI=f"mongodb://u:pa55@127.0.0.1:{free_ports(1)[0]}/?replicaSet=rs0").until_live()
    eventually(lambda: "database" in process.checks())
    began = time.monotonic()

    status, _ = process.get("/ready")

    assert time.monotonic() - began < 2 * patience()
    assert status == 503
    assert process.checks()["database"][0] is False
    process.signal()
    process.exit_code()
    assert "pa55" not in process.out.read_text() + process.err.read_text()


def test_a_service_does_not_start_on_a_database_that_is_half_restored(start: Any, environ: dict[str, str]) -> None:
    with pymongo.MongoClient(environ["MONGO_URI"]) as client:
        restores = client[f"{environ['PREFIX']}_process"]["restores"]
        restores.insert_one({"at": datetime.datetime(2026, 3, 1, 12), "finished": False})
        refused = start()

        code, said, started = refused.exit_code(30), refused.err.read_text(), refused.logged("started")
        restores.update_one({}, {"$set": {"superseded_by": "the next one"}})
        ready = start().until_ready()

    assert code == 1 and not started
    assert said.startswith(
        "touchstone-service: a restore was begun at 2026-03-01T12:00:00Z and did not come to its end"
    )
    assert ready.checks()["restore"] == (True, "no restore is half done")


def test_a_fault_that_kills_the_container_ends_the_process_and_keeps_the_secret(start: Any) -> None:
    process = start(TOY_DIES="yes")

    assert process.exit_code(30) == 1
    assert process.logged("died")["exception"][0]["type"] == "builtins.ValueError"  # type: ignore[index]
    assert "Rosa" not in process.out.read_text() + process.err.read_text()


def test_a_port_that_is_taken_ends_the_process(start: Any) -> None:
    first = start().until_live()
    second = start()

    assert second.exit_code(30) == 1
    assert first.popen.poll() is None


def test_wrong_config_is_said_whole_without_a_traceback(start: Any) -> None:
    process = start(JWKS="", PORT="many")

    assert process.exit_code() == 2
    assert process.out.read_text() == ""
    lines = process.err.read_text().splitlines()
    assert lines[0] == "touchstone-service: the configuration cannot be used:"
    assert [line.split("config.yaml: ")[1] for line in lines[1:]] == [
        "jwks_path: the environment variable JWKS is not set",
        "http_port: not a valid integer.",
    ]


def test_wrong_settings_are_said_without_a_traceback(start: Any) -> None:
    process = start(SIZE="large")

    assert process.exit_code() == 2
    assert process.err.read_text().splitlines()[1:] == ["  - settings.size: Not a valid integer."]


def test_a_sandbox_follows_the_clock_that_somebody_moved(start: Any, caller: Caller, environ: dict[str, str]) -> None:
    start(SANDBOX="true").until_ready()
    before = caller.ask("day")["result"]

    move(environ["MONGO_URI"], environ["PREFIX"], 400 * 24 * 3600.0, sandbox=True)

    eventually(lambda: caller.ask("day")["result"] >= before + 400)


def test_elsewhere_a_moved_clock_is_ignored(start: Any, caller: Caller, environ: dict[str, str]) -> None:
    before = datetime.datetime.now(datetime.UTC).toordinal()
    move(environ["MONGO_URI"], environ["PREFIX"], 400 * 24 * 3600.0, sandbox=True)
    start().until_ready()

    assert caller.ask("day")["result"] - before in (0, 1)
