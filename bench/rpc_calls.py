"""Calls one method of a running Touchstone again and again, with one of three clients, and says how fast that went.

    python bench/rpc_calls.py touchstone|nameko|pika --threads 1 --seconds 4

Environment: AMQP_URI; BENCH_TOKENS, a file with a token. The method is `assessment.list_standards`, for every client.
Each thread has a client of its own. Stdout: one JSON line with calls, seconds and the CPU seconds of this process.
"""

import argparse
import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICE, METHOD = "assessment", "list_standards"
WARM_UP_CALLS = 5
REPLY_TIMEOUT_S = 30
Calling = tuple[Callable[[], Any], Callable[[], None]]
"""Makes one call and gives its result; closes the client."""


def our_client(amqp_uri: str, token: str) -> Calling:
    from touchstone.rpc.client import Client

    client = Client(amqp_uri, token)
    return lambda: client.call(SERVICE, METHOD), client.close


def stock_nameko_client(amqp_uri: str, token: str) -> Calling:
    """nameko's standalone client, as its documentation shows it."""
    from nameko.standalone.rpc import ServiceRpcClient

    client = ServiceRpcClient(SERVICE, context_data={"authorization": token}, uri=amqp_uri)
    proxy = client.start()
    return lambda: proxy.list_standards(), client.stop


def prepare_nameko() -> None:
    """Imported by a thread that is not the first, nameko's own threads never end. Its pool has 10 connections."""
    import warnings

    warnings.simplefilter("ignore")
    import nameko.standalone.rpc  # noqa: F401
    from kombu.pools import set_limit

    set_limit(1_000)


def bare_pika_client(amqp_uri: str, token: str) -> Calling:
    """One blocking connection, one reply queue that is consumed all the time, unconfirmed requests."""
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
    channel = connection.channel()
    reply_to = uuid.uuid4().hex
    queue = channel.queue_declare(f"rpc.reply-bench-{reply_to}", exclusive=True, auto_delete=True).method.queue
    channel.queue_bind(queue, "nameko-rpc", reply_to)
    replies: dict[str, bytes] = {}
    channel.basic_consume(
        queue, lambda _c, _m, properties, body: replies.__setitem__(properties.correlation_id, body), auto_ack=True
    )
    body = json.dumps({"args": [], "kwargs": {}}).encode()

    def call() -> Any:
        id = uuid.uuid4().hex
        properties = pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=id,
            reply_to=reply_to,
            headers={"nameko.authorization": token},
        )
        channel.basic_publish("nameko-rpc", f"{SERVICE}.{METHOD}", body, properties)
        until = time.monotonic() + REPLY_TIMEOUT_S
        while id not in replies:
            connection.process_data_events(time_limit=REPLY_TIMEOUT_S)
            if time.monotonic() > until:
                raise TimeoutError("no reply")
        reply = json.loads(replies.pop(id))
        if reply["error"]:
            raise RuntimeError(reply["error"])
        return reply["result"]

    return call, connection.close


CLIENTS = {"touchstone": our_client, "nameko": stock_nameko_client, "pika": bare_pika_client}


def calls_in(client: str, amqp_uri: str, token: str, threads: int, seconds: float) -> dict[str, Any]:
    """Calls for so many seconds, after a few that do not count. Raises what a client raised."""
    if client == "nameko":
        prepare_nameko()
    ready, counts, failures = threading.Barrier(threads), [0] * threads, []

    def work(number: int) -> None:
        try:
            call, close = CLIENTS[client](amqp_uri, token)
            for _ in range(WARM_UP_CALLS):
                assert len(call()["items"]) > 0
            ready.wait()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                call()
                counts[number] += 1
            close()
        except Exception as failure:  # whatever a library raises ends the run
            failures.append(failure)
            ready.abort()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    before_s = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return {"calls": sum(counts), "seconds": seconds, "cpu_s": time.process_time() - before_s}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=sorted(CLIENTS))
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    token = Path(os.environ["BENCH_TOKENS"]).read_text().strip()
    print(json.dumps(calls_in(given.client, os.environ["AMQP_URI"], token, given.threads, given.seconds)))


if __name__ == "__main__":
    main()
