"""Scenes with many callers of one client, each in a process of its own: `calling.py SCENE AMQP_URI [green]`.

The test process is green; real threads are not to be had there. What happened goes to standard output as JSON.
"""

import sys

if "green" in sys.argv:
    import eventlet

    eventlet.monkey_patch()

import collections
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from test_rpc import Proxy, Responder, echo

from touchstone.rpc.blocking import BrokerUnreachable
from touchstone.rpc.client import Client, NoAnswer, UnknownService
from touchstone.rpc.connection import RpcConnection
from touchstone_devkit.eventually import eventually

CALLERS, CALLS_EACH = 16, 25
HANGS_AFTER_S = 60


def silent_or_echo(method: str, kwargs: dict[str, Any], headers: dict[str, Any]) -> Any:
    return None if method == "silent" else echo(method, kwargs, headers)


def proxied(amqp_uri: str) -> tuple[Proxy, str]:
    address = urlsplit(amqp_uri)
    proxy = Proxy(address.hostname or "127.0.0.1", address.port or 5672)
    return proxy, amqp_uri.replace(address.netloc.rpartition("@")[2], f"127.0.0.1:{proxy.port}")


def in_threads(work: Callable[[int], None]) -> int:
    """How many of the callers were still at it after a minute."""
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + HANGS_AFTER_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(thread.is_alive() for thread in threads)


def storm(amqp_uri: str, cuts: int) -> dict[str, Any]:
    """Everybody calls with payloads of any size, now and then a service that is not there."""
    proxy, uri = proxied(amqp_uri)
    responder, seen = Responder(amqp_uri, echo), collections.Counter[str]()
    cut_at = {CALLERS * CALLS_EACH * (i + 1) // (cuts + 1) for i in range(cuts)}

    with Client(uri, timeout_s=30) as client:

        def work(caller: int) -> None:
            dice = random.Random(caller)
            for number in range(CALLS_EACH):
                payload = [caller, number, "x" * int(10 ** dice.uniform(0, 5))]
                try:
                    if dice.random() < 0.1:
                        client.call("nobody", "m")
                    same = client.call(responder.service, "m", payload=payload)["payload"] == payload
                    seen["right" if same else "wrong"] += 1
                except UnknownService:
                    seen["unknown"] += 1
                except (BrokerUnreachable, NoAnswer):
                    seen["failed"] += 1
                if sum(seen.values()) in cut_at:
                    proxy.cut()

        hanging = in_threads(work)
    responder.stop()
    return {**seen, "hanging": hanging, "connections": proxy.accepted, "calls": CALLERS * CALLS_EACH}


def deadlines(amqp_uri: str) -> dict[str, Any]:
    """Half of the callers get no answer, in time and without costing the others theirs."""
    responder, seen = Responder(amqp_uri, silent_or_echo), collections.Counter[str]()
    late_s = [0.0]

    with Client(amqp_uri, timeout_s=30) as client:
        client.call(responder.service, "m")

        def work(caller: int) -> None:
            for number in range(10):
                limit_s, begun = random.uniform(0.05, 0.2), time.monotonic()
                try:
                    if caller % 2:
                        client.call(responder.service, "silent", timeout_s=limit_s)
                    seen["right" if client.call(responder.service, "m", n=number)["n"] == number else "wrong"] += 1
                except NoAnswer:
                    seen["no answer"] += 1
                    late_s.append(time.monotonic() - begun - limit_s)

        hanging = in_threads(work)
    responder.stop()
    return {**seen, "hanging": hanging, "late_s": max(late_s)}


def alone(amqp_uri: str) -> dict[str, Any]:
    """How much of the CPU time of a lone caller's process other threads of the client take."""
    responder = Responder(amqp_uri, echo)
    with Client(amqp_uri) as client:
        client.call(responder.service, "m")
        helping = [t for t in threading.enumerate() if t.name == "touchstone client"]
        clocks = [time.pthread_getcpuclockid(t.ident) for t in helping if t.ident]
        before = sum(map(time.clock_gettime, clocks)), time.thread_time()
        for number in range(300):
            assert client.call(responder.service, "m", number=number)["number"] == number
        helpers_s = sum(map(time.clock_gettime, clocks)) - before[0]
        own_s = time.thread_time() - before[1]
    responder.stop()
    return {"threads": len(helping), "share": helpers_s / (helpers_s + own_s)}


def idle(amqp_uri: str) -> dict[str, Any]:
    """Nobody calls: the connection is kept, and its end is noticed."""
    proxy, uri = proxied(f"{amqp_uri}?heartbeat=1")
    responder = Responder(amqp_uri, echo)
    with Client(uri) as client:
        client.call(responder.service, "m")
        connection, begun = client._current, time.monotonic()
        assert connection is not None
        eventually(lambda: time.monotonic() > begun + 4)  # the broker would end it after two seconds of silence
        kept = connection.usable and client.call(responder.service, "m") is not None and proxy.accepted == 1
        proxy.cut()
        eventually(lambda: not connection.usable)
        answered = client.call(responder.service, "m")["method"] == "m"
    left = [t.name for t in threading.enumerate() if t.name == "touchstone client"]
    responder.stop()
    return {"kept": kept, "answered": answered, "threads_left": len(left)}


def forked(amqp_uri: str) -> dict[str, Any]:
    """A client that was used before a fork serves both processes, over a connection each."""
    proxy, uri = proxied(amqp_uri)
    responder = Responder(amqp_uri, echo)
    with Client(uri, timeout_s=20) as client:
        client.call(responder.service, "m")
        child = os.fork()
        if child == 0:
            with client:
                right = all(client.call(responder.service, "m", n=-n)["n"] == -n for n in range(50))
            os._exit(0 if right else 1)
        in_parent = all(client.call(responder.service, "m", n=n)["n"] == n for n in range(50))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        in_parent = in_parent and client.call(responder.service, "m", n=7)["n"] == 7
    responder.stop()
    return {"parent": in_parent, "child": status == 0, "connections": proxy.accepted}


def interrupted(amqp_uri: str) -> dict[str, Any]:
    """Control-C while the main thread reads for all: the others go on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have it ignored
    responder = Responder(amqp_uri, silent_or_echo)
    answers: list[int] = []
    with Client(amqp_uri, timeout_s=20) as client:

        def call_all_the_time() -> None:
            while len(answers) < 400:
                answers.append(client.call(responder.service, "m", n=len(answers))["n"])

        client.call(responder.service, "m")
        thread = threading.Thread(target=call_all_the_time, daemon=True)
        waited = threading.Timer(0.3, lambda: (thread.start(), time.sleep(0.2), os.kill(os.getpid(), signal.SIGINT)))
        waited.start()
        try:
            client.call(responder.service, "silent", timeout_s=30)
        except KeyboardInterrupt:
            seen = "interrupted"
        at_interrupt = len(answers)
        thread.join(HANGS_AFTER_S)
    responder.stop()
    return {"main": seen, "right": answers == list(range(400)), "before": at_interrupt, "hanging": thread.is_alive()}


def torn(amqp_uri: str) -> dict[str, Any]:
    """Control-C while the main thread deals with what it read for all: who waits is answered over a new connection."""
    proxy, uri = proxied(amqp_uri)
    responder, main = Responder(amqp_uri, echo), threading.main_thread()
    answers: list[int] = []
    with Client(uri, timeout_s=20) as client:

        def call_all_the_time() -> None:
            while len(answers) < 100:
                answers.append(client.call(responder.service, "m", n=len(answers))["n"])

        client.call(responder.service, "m")
        take, seen = RpcConnection._answer, ""

        def interrupted_once(connection: RpcConnection, *arguments: Any) -> None:
            if threading.current_thread() is main and len(answers) > 10:
                RpcConnection._answer = take  # type: ignore[method-assign]
                raise KeyboardInterrupt
            take(connection, *arguments)

        RpcConnection._answer = interrupted_once  # type: ignore[method-assign]
        thread = threading.Thread(target=call_all_the_time, daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                client.call(responder.service, "m")
        except KeyboardInterrupt:
            seen = "interrupted"
        thread.join(HANGS_AFTER_S)
    responder.stop()
    right = answers == list(range(100))
    return {"main": seen, "right": right, "hanging": thread.is_alive(), "connections": proxy.accepted}


SCENES: dict[str, Callable[[str], dict[str, Any]]] = {
    "storm": lambda uri: storm(uri, cuts=0),
    "cuts": lambda uri: storm(uri, cuts=3),
    "deadlines": deadlines,
    "alone": alone,
    "idle": idle,
    "forked": forked,
    "interrupted": interrupted,
    "torn": torn,
}

if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](sys.argv[2])))
