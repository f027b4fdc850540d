"""The client against a real broker and a responder that speaks the wire protocol by hand."""

import contextlib
import datetime
import decimal
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest

from touchstone.rpc.blocking import open_connection
from touchstone.rpc.client import BrokerRefused, BrokerUnreachable, Client, NoAnswer, UnknownService
from touchstone_contracts.errors import Conflict, InvalidReport
from touchstone_devkit.eventually import eventually, patience

Handler = Callable[[str, dict[str, Any], dict[str, Any]], Any]


class Responder:
    """A service in a thread: answers with what `handler(method, kwargs, headers)` returns; None is no answer."""

    def __init__(self, amqp_uri: str, handler: Handler):
        self.service = f"svc{uuid.uuid4().hex[:8]}"
        self.seen: list[tuple[str, dict[str, Any], pika.BasicProperties]] = []
        self._handler = handler
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(amqp_uri,), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self, amqp_uri: str) -> None:
        with open_connection(amqp_uri) as connection:
            channel = connection.channel()
            channel.exchange_declare("nameko-rpc", "topic", durable=True)
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, "nameko-rpc", f"{self.service}.*")
            channel.basic_consume(queue, self._answer, auto_ack=True)
            self._ready.set()
            while not self._stopping.is_set():
                connection.process_data_events(time_limit=0.05)

    def _answer(self, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        name, kwargs = method.routing_key.split(".")[1], json.loads(body)["kwargs"]
        self.seen.append((name, kwargs, properties))
        answer = self._handler(name, kwargs, properties.headers)
        if answer is not None:
            reply = pika.BasicProperties(correlation_id=properties.correlation_id, content_type="application/json")
            channel.basic_publish("nameko-rpc", properties.reply_to, json.dumps(answer).encode(), reply)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)


class FullQueue:
    """A service's queue that refuses every request until somebody makes room."""

    def __init__(self, connection: pika.BlockingConnection):
        self.service = f"svc{uuid.uuid4().hex[:8]}"
        self._connection = connection
        self._channel = connection.channel()
        self._channel.exchange_declare("nameko-rpc", "topic", durable=True)
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        self._queue = self._channel.queue_declare("", exclusive=True, arguments=limits).method.queue
        self._channel.queue_bind(self._queue, "nameko-rpc", f"{self.service}.*")
        self._channel.basic_publish("", self._queue, b"{}")

    def make_room_and_answer(self, until: float) -> None:
        self._channel.queue_purge(self._queue)
        while time.monotonic() < until:
            _, properties, body = self._channel.basic_get(self._queue, auto_ack=True)
            if body is not None:
                answer = json.dumps({"result": "answered", "error": None}).encode()
                reply = pika.BasicProperties(correlation_id=properties.correlation_id)
                self._channel.basic_publish("nameko-rpc", properties.reply_to, answer, reply)
                return
            self._connection.process_data_events(time_limit=0.05)


class Proxy:
    """A TCP proxy before the broker whose connections can be cut."""

    def __init__(self, host: str, port: int):
        self._target = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with self._listening, contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                broker = socket.create_connection(self._target)
                self.accepted += 1
                self._pairs.append((client, broker))
                for source, sink in ((client, broker), (broker, client)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with source, contextlib.suppress(OSError, EOFError):  # closed by whoever reads it, never under its hands
            while data := source.recv(65536):
                sink.sendall(data)

    def cut(self) -> None:
        while self._pairs:
            for end in self._pairs.pop():
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()


def echo(method: str, kwargs: dict[str, Any], _headers: dict[str, Any]) -> dict[str, Any]:
    return {"result": {"method": method, **kwargs}, "error": None}


@pytest.fixture
def respond(backing: Any) -> Iterator[Callable[[Handler], Responder]]:
    made: list[Responder] = []

    def start(handler: Handler) -> Responder:
        made.append(Responder(backing.amqp_uri, handler))
        return made[-1]

    yield start
    for responder in made:
        responder.stop()


@pytest.fixture
def client(backing: Any) -> Iterator[Client]:
    with Client(backing.amqp_uri, token="a.b.c", timeout_s=10) as opened:
        yield opened


@pytest.fixture
def full_queue(backing: Any) -> Iterator[FullQueue]:
    with open_connection(backing.amqp_uri) as connection:
        yield FullQueue(connection)


@pytest.fixture
def proxy(backing: Any) -> Iterator[tuple[Proxy, str]]:
    address = urlsplit(backing.amqp_uri)
    made = Proxy(address.hostname or "127.0.0.1", address.port or 5672)
    yield made, backing.amqp_uri.replace(address.netloc.rpartition("@")[2], f"127.0.0.1:{made.port}")
    made.close()


def test_a_call_gives_the_result_of_the_method(respond: Callable[[Handler], Responder], client: Client):
    responder = respond(echo)

    by_name = client.call(responder.service, "get_certificate", number=195)
    by_attribute = getattr(client, responder.service).get_certificate(number=195, timeout_s=5)

    assert by_name["method"] == by_attribute["method"] == "get_certificate"
    assert by_name["number"] == 195


def test_a_request_is_as_the_wire_protocol_says(respond: Callable[[Handler], Responder], client: Client):
    responder = respond(echo)

    client.call(responder.service, "m", timeout_s=7, idempotency_key="k", on=datetime.date(2026, 1, 2))

    _, kwargs, properties = responder.seen[0]
    assert kwargs == {"on": "2026-01-02", "idempotency_key": "k"}
    assert (properties.content_type, properties.content_encoding) == ("application/json", "utf-8")
    assert properties.headers["nameko.authorization"] == "a.b.c"
    assert 0 < properties.headers["nameko.deadline"] / 1000 - time.time() <= 7
    assert properties.headers["nameko.correlation_id"]
    assert properties.correlation_id and properties.reply_to


def test_dates_and_decimals_go_as_strings(respond: Callable[[Handler], Responder], client: Client):
    result = client.call(respond(echo).service, "m", amount=decimal.Decimal("1.10"), on=datetime.date(2026, 1, 2))

    assert (result["amount"], result["on"]) == ("1.10", "2026-01-02")


def test_a_refusal_is_raised_with_everything_that_is_wrong(respond: Callable[[Handler], Responder], client: Client):
    problems = [{"path": "findings[3].rating", "code": "unknown_rating", "message": "'good' is not a rating."}]
    error = {"code": "invalid_report", "message": "Wrong.", "errors": problems, "retryable": False}
    responder = respond(lambda *_: {"result": None, "error": error})

    with pytest.raises(InvalidReport) as refused:
        client.call(responder.service, "submit_audit_report")

    assert refused.value.errors[0].path == "findings[3].rating"
    assert any("correlation id" in note for note in refused.value.__notes__)
    assert len(responder.seen) == 1


def test_a_request_that_the_broker_refuses_is_sent_again_over_a_new_connection(client: Client, full_queue: FullQueue):
    until = time.monotonic() + 10
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(client.call, full_queue.service, "m")
        first = eventually(lambda: client._current)
        eventually(lambda: client._current is not first)
        full_queue.make_room_and_answer(until)

        assert calling.result(timeout=10) == "answered"


def test_a_service_that_does_not_exist_is_told_at_once(client: Client):
    started = time.monotonic()

    with pytest.raises(UnknownService, match="'nobody'"):
        client.call("nobody", "m", timeout_s=60)

    assert time.monotonic() - started < 5 * patience()


def test_no_reply_in_time_is_told_with_the_key_to_ask_again(respond: Callable[[Handler], Responder], client: Client):
    responder = respond(lambda *_: None)

    with pytest.raises(NoAnswer) as silence:
        client.call(responder.service, "m", timeout_s=0.3, idempotency_key="again")

    assert silence.value.idempotency_key == "again"


def test_a_reply_that_comes_too_late_does_not_answer_the_next_call(
    respond: Callable[[Handler], Responder], client: Client
):
    gate = threading.Event()

    def slow_at_first(method: str, kwargs: dict[str, Any], headers: dict[str, Any]) -> Any:
        if method == "slow":
            gate.wait(5)
        return echo(method, kwargs, headers)

    responder = respond(slow_at_first)
    with pytest.raises(NoAnswer):
        client.call(responder.service, "slow", timeout_s=0.2)
    gate.set()

    assert client.call(responder.service, "quick")["method"] == "quick"


def test_many_threads_share_one_connection_and_each_gets_its_own_reply(
    respond: Callable[[Handler], Responder], backing: Any, proxy: tuple[Proxy, str]
):
    responder = respond(echo)
    results: dict[int, int] = {}

    with Client(proxy[1], timeout_s=20) as client:

        def work(first: int) -> None:
            for number in range(first, first + 25):
                results[number] = client.call(responder.service, "m", number=number)["number"]

        threads = [threading.Thread(target=work, args=(25 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    assert results == {number: number for number in range(200)}
    assert proxy[0].accepted == 1


def test_a_retryable_refusal_is_tried_again_with_the_same_key(respond: Callable[[Handler], Responder], client: Client):
    busy = {"code": "in_progress", "message": "Wait.", "errors": [], "retryable": True}
    responder = respond(lambda *_: {"result": None, "error": busy} if len(responder.seen) < 3 else echo("m", {}, {}))

    client.call(responder.service, "m")

    assert len({kwargs["idempotency_key"] for _, kwargs, _ in responder.seen}) == 1
    assert len(responder.seen) == 3


def test_a_retryable_refusal_that_stays_is_raised_in_the_end(respond: Callable[[Handler], Responder], client: Client):
    error = {"code": "conflict", "message": "Again.", "errors": [], "retryable": True}
    responder = respond(lambda *_: {"result": None, "error": error})

    with pytest.raises(Conflict):
        client.call(responder.service, "m", timeout_s=3)


def test_a_lost_connection_is_opened_again_and_the_request_sent_again_with_the_same_key(
    respond: Callable[[Handler], Responder], proxy: tuple[Proxy, str]
):
    def cut_at_first(method: str, kwargs: dict[str, Any], headers: dict[str, Any]) -> Any:
        if len(responder.seen) == 1:
            proxy[0].cut()
        return echo(method, kwargs, headers)

    responder = respond(cut_at_first)
    with Client(proxy[1], timeout_s=20) as client:
        result = client.call(responder.service, "accept_audit_report", audit_id="a")

    assert result["audit_id"] == "a"
    assert len(responder.seen) == 2
    assert len({kwargs["idempotency_key"] for _, kwargs, _ in responder.seen}) == 1
    assert proxy[0].accepted == 2


def test_a_connection_lost_between_two_calls_is_not_noticed(
    respond: Callable[[Handler], Responder], proxy: tuple[Proxy, str]
):
    responder = respond(echo)
    with Client(proxy[1], timeout_s=20) as client:
        client.call(responder.service, "m")
        proxy[0].cut()

        assert client.call(responder.service, "m")["method"] == "m"


def test_every_attempt_carries_a_fresh_token(respond: Callable[[Handler], Responder], backing: Any):
    tokens = iter(["first", "second"])
    responder = respond(echo)

    with Client(backing.amqp_uri, token=lambda: next(tokens)) as client:
        client.call(responder.service, "m")
        client.call(responder.service, "m")

    assert [p.headers["nameko.authorization"] for _, _, p in responder.seen] == ["first", "second"]


def test_a_broker_that_refuses_us_is_told_at_once_and_one_that_is_not_there_after_a_while(backing: Any):
    address = urlsplit(backing.amqp_uri)
    wrong = backing.amqp_uri.replace(address.netloc.rpartition("@")[0], "nobody:secret")
    started = time.monotonic()

    with pytest.raises(BrokerRefused) as refused, Client(wrong) as client:
        client.call("s", "m", timeout_s=60)
    with pytest.raises(BrokerRefused), Client(f"{backing.amqp_uri}-no-such-vhost") as client:
        client.call("s", "m", timeout_s=60)
    with pytest.raises(BrokerUnreachable), Client("amqp://127.0.0.1:1/", connect_within_s=0.2) as client:
        client.call("s", "m", timeout_s=60)

    assert "secret" not in str(refused.value)
    assert time.monotonic() - started < 20 * patience()


def test_closing_the_client_fails_what_still_waits_and_a_later_call_opens_it_again(
    respond: Callable[[Handler], Responder], client: Client
):
    responder = respond(echo)
    client.call(responder.service, "m")

    client.close()

    assert client.call(responder.service, "m")["method"] == "m"
