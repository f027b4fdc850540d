"""Readiness against a real database, and a port that bad clients cannot take away."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import eventlet
import nameko
import pytest
from nameko.containers import ServiceContainer
from pymongo import MongoClient

from touchstone_chassis.health.database import TransactionLifetime, WritableDatabase
from touchstone_chassis.health.server import CONNECTIONS_MAX, SOCKET_TIMEOUT_S, Health
from touchstone_chassis.mongo.client import connect
from touchstone_devkit.eventually import eventually, patience


class Healthy:
    name = "healthy"
    health = Health()


def get(health: Health, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health.port}{path}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture
def client(backing: Any) -> Iterator[MongoClient]:
    client = connect(backing.mongo_uri)
    yield client
    client.close()


@pytest.fixture
def serve(backing: Any, database_prefix: str) -> Iterator[Callable[..., Health]]:
    """Starts a service that has nothing but its health."""
    containers: list[ServiceContainer] = []
    config = {"http_host": "127.0.0.1", "http_port": 0, "database": f"{database_prefix}_healthy"}

    def serve(mongo_uri: str = backing.mongo_uri) -> Health:
        nameko.config.setup({**config, "MONGO_URI": mongo_uri})
        containers.append(ServiceContainer(Healthy))
        containers[-1].start()
        return next(iter(containers[-1].dependencies))

    with nameko.config.patch({}):
        yield serve
        for container in containers:
            container.stop()


def test_a_database_that_takes_a_transaction_is_ready_and_keeps_nothing_of_it(
    client: MongoClient, database_prefix: str
) -> None:
    database = client[f"{database_prefix}_toy"]

    ok, detail = WritableDatabase(lambda: database)()

    assert ok, detail
    assert detail.startswith("committed in ")
    assert database["readiness"].count_documents({}) == 0


def test_replicas_that_ask_at_the_same_time_do_not_clash(client: MongoClient, database_prefix: str) -> None:
    database = client[f"{database_prefix}_toy"]
    database.create_collection("readiness")

    asked = [eventlet.spawn(WritableDatabase(lambda: database)) for _ in range(20)]

    assert all(thread.wait()[0] for thread in asked)


def test_the_servers_transaction_lifetime_is_read(client: MongoClient) -> None:
    lifetime_s = client.admin.command("getParameter", 1, transactionLifetimeLimitSeconds=1)[
        "transactionLifetimeLimitSeconds"
    ]

    ok, detail = TransactionLifetime(lambda: client)()

    assert ok
    assert str(lifetime_s) in detail
    assert detail.startswith("WARNING") == (lifetime_s > 5)


def test_a_service_with_its_database_is_ready(serve: Callable[..., Health]) -> None:
    status, content = get(serve(), "/ready")

    assert status == 200, content
    assert [check["name"] for check in content["checks"]] == ["database", "transaction_lifetime"]


def test_a_database_that_never_answers_costs_less_than_two_seconds(serve: Callable[..., Health]) -> None:
    silent = eventlet.listen(("127.0.0.1", 0), reuse_port=False)
    health = serve(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/?directConnection=true")

    for _ in range(2):
        began = time.monotonic()
        status, content = get(health, "/ready")

        assert time.monotonic() - began < 2 * patience()
        assert status == 503
        assert content["ready"] is False
    assert get(health, "/live")[0] == 200


def test_clients_that_say_nothing_hold_the_port_for_a_limited_time_only(serve: Callable[..., Health]) -> None:
    health = serve()
    idle = [socket.create_connection(("127.0.0.1", health.port)) for _ in range(CONNECTIONS_MAX)]
    began = time.monotonic()

    status, _ = get(health, "/live")

    assert status == 200
    assert time.monotonic() - began < (SOCKET_TIMEOUT_S + 2) * patience()
    for connection in idle:
        connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /live HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /live HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /live HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /live HTTP/1.1\r\nHost",
    ],
)
def test_nothing_that_is_sent_to_the_port_ends_it(serve: Callable[..., Health], sent: bytes) -> None:
    health = serve()

    with socket.create_connection(("127.0.0.1", health.port)) as connection:
        connection.sendall(sent)

    eventually(lambda: get(health, "/live")[0] == 200)
