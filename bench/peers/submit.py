"""Generates load on one system: N threads, each with a client of its own, submit numbered audits.

    python submit.py CLIENT.py --submitters N --first I --count M [--rate R] [--seconds S]

CLIENT.py has a class `Client(amqp_uri)` with `submit(report, token)`, which gives the audit's id, and `close()`.
Environment: AMQP_URI; BENCH_REPORT, a JSON file with the report (`report_id` and `entity.id` are set per audit);
BENCH_TOKENS, a file whose only line is a fresh token (read again each minute).
All clients are connected before the first submission. Stdout: one JSON line per audit, `audit_id`, `begun`, `ended`
(unix seconds), then `{"cpu_s": ...}`, the processor seconds of this process from first submission to last answer.
With --rate, R submissions fall due each second, whoever of the submitters is free takes the next, and `begun` is when
it was due: a late start counts as waiting. With --seconds, none is begun after S seconds. A submission that fails ends
the run with exit status 1.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import importlib
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def token_in(path: Path, clock_s: Callable[[], float] = time.monotonic) -> Callable[[], str]:
    """Gives the token of a file, which is read again once in a minute."""
    read = functools.lru_cache(maxsize=1)(lambda _minute: path.read_text().strip())
    return lambda: read(clock_s() // 60)


def report_of(report: dict[str, Any], index: int) -> dict[str, Any]:
    """The report as the one of audit `index`; everything but the two ids is shared."""
    return report | {"report_id": f"bench-{index}", "entity": report["entity"] | {"id": f"works-{index}"}}


class Load:
    """The audits to submit, and what became of them. One object for all submitters."""

    def __init__(
        self, report: Any, token: Callable[[], str], indices: range, rate: Any = None, seconds: Any = math.inf
    ):
        self._report, self._token, self._rate, self._seconds = report, token, rate, seconds
        self._queue = enumerate(indices)
        self._begun_at, self.begun_cpu_s = 0.0, 0.0
        self.results: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def begin(self) -> None:
        """Time starts now."""
        self._begun_at, self.begun_cpu_s = time.time(), time.process_time()

    def submit_all(self, client: Any) -> None:
        """Submit what no other submitter took, until nothing is left, time is over or somebody failed."""
        for turn, index in self._queue:  # next() of an enumerate is atomic
            begun = time.time() if self._rate is None else self._begun_at + turn / self._rate
            if self.failure or begun > self._begun_at + self._seconds:
                return
            time.sleep(max(0.0, begun - time.time()))
            audit_id = client.submit(report_of(self._report, index), self._token())
            self.results.append({"audit_id": audit_id, "begun": begun, "ended": time.time()})


def run(connect: Callable[[str], Any], amqp_uri: str, load: Load, submitters: int) -> float:
    """Connect, submit everything, close. Returns the processor seconds of the submitting; raises what a client did."""
    ready = threading.Barrier(submitters, action=load.begin)

    def work() -> None:
        try:
            with contextlib.closing(connect(amqp_uri)) as client:
                ready.wait()
                load.submit_all(client)
        except threading.BrokenBarrierError:
            pass  # another one could not connect
        except Exception as failure:  # whatever a library raises ends the run
            load.failure = load.failure or failure
            ready.abort()

    with concurrent.futures.ThreadPoolExecutor(submitters) as threads:
        for _ in range(submitters):
            threads.submit(work)
    if load.failure:
        raise load.failure
    return time.process_time() - load.begun_cpu_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("client", type=Path)
    parser.add_argument("--submitters", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seconds", type=float, default=math.inf)
    given = parser.parse_args()
    report, token = json.loads(Path(os.environ["BENCH_REPORT"]).read_text()), token_in(Path(os.environ["BENCH_TOKENS"]))
    indices = range(given.first, given.first + given.count)
    load = Load(report, token, indices, rate=given.rate, seconds=given.seconds)
    sys.path.insert(0, str(given.client.parent))  # a client may import what stands beside it, and here
    client = importlib.import_module(given.client.stem).Client
    cpu_s = run(client, os.environ["AMQP_URI"], load, given.submitters)
    for line in (*load.results, {"cpu_s": cpu_s}):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
