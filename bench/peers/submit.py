"""Generates load on one peer: N threads, each with a client of its own, submit numbered audits.

    python submit.py PEER_FOLDER --submitters N --first I --count M [--rate R] [--seconds S]

Environment: AMQP_URI; BENCH_REPORT, a JSON file with the report (`report_id` and `entity.id` are set per audit);
BENCH_TOKENS, a file whose only line is a fresh token (read again once it was read 60 s ago).
All clients are connected before the first submission. Stdout: one JSON line per audit, `audit_id`, `begun`, `ended`
(unix seconds), then `{"cpu_s": ...}`, the processor seconds of this process from first submission to last answer.
With --rate, R submissions fall due each second, whoever of the submitters is free takes the next, and `begun` is when
it was due: a late start counts as waiting. With --seconds, none is begun after S seconds. A submission that fails ends
the run with exit status 1.
"""

import argparse
import importlib.util
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOKEN_READ_AGAIN_S = 60


class Token:
    """The token of a file, read again when what was read is older than 60 seconds."""

    def __init__(self, path: Path, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock_s = path, clock_s
        self._read_at_s, self._token, self._lock = -float("inf"), "", threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            if self._clock_s() - self._read_at_s > TOKEN_READ_AGAIN_S:
                self._token, self._read_at_s = self._path.read_text().strip(), self._clock_s()
            return self._token


def report_of(report: dict[str, Any], index: int) -> dict[str, Any]:
    """The report as the one of audit `index`; everything but the two ids is shared."""
    return report | {"report_id": f"bench-{index}", "entity": report["entity"] | {"id": f"works-{index}"}}


class Load:
    """The audits to submit, and what became of them. One object for all submitters."""

    def __init__(
        self,
        report: dict[str, Any],
        token: Callable[[], str],
        indices: range,
        *,
        rate: float | None = None,
        seconds: float | None = None,
    ) -> None:
        self._report, self._token, self._rate, self._seconds = report, token, rate, seconds
        self._queue: Iterator[tuple[int, int]] = enumerate(indices)
        self._begun_at = 0.0
        self.results: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def begin(self) -> None:
        """Time starts now."""
        self._begun_at = time.time()

    def submit_all(self, client: Any) -> None:
        """Submit what no other submitter took, until nothing is left, time is over or somebody failed."""
        for turn, index in self._queue:  # next() of an enumerate is atomic
            begun = self._due(turn)
            if self.failure or (self._seconds is not None and begun > self._begun_at + self._seconds):
                return
            time.sleep(max(0.0, begun - time.time()))
            try:
                audit_id = client.submit(report_of(self._report, index), self._token())
            except Exception as failure:  # whatever a library raises ends the run
                self.failure = failure
                return
            self.results.append({"audit_id": audit_id, "begun": begun, "ended": time.time()})

    def _due(self, turn: int) -> float:
        return time.time() if self._rate is None else self._begun_at + turn / self._rate


def connector(folder: Path) -> Callable[[str], Any]:
    """`connect` of the peer's client.py."""
    sys.path[:0] = [str(folder), str(folder.parent)]
    spec = importlib.util.spec_from_file_location("client", folder / "client.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    connect: Callable[[str], Any] = module.connect
    return connect


def run(connect: Callable[[str], Any], amqp_uri: str, load: Load, submitters: int) -> float:
    """Connect, submit everything, close. Returns the processor seconds of the submitting; raises what a client did."""
    ready = threading.Barrier(submitters + 1)
    go = threading.Event()

    def work() -> None:
        try:
            client = connect(amqp_uri)
        except Exception as failure:
            load.failure = failure
            ready.abort()
            return
        try:
            ready.wait()
            go.wait()
            load.submit_all(client)
        except threading.BrokenBarrierError:
            pass  # another one could not connect
        finally:
            client.close()

    threads = [threading.Thread(target=work, name=f"submitter-{n}") for n in range(submitters)]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
    except threading.BrokenBarrierError:
        raise load.failure or RuntimeError("not every client connected") from None
    load.begin()
    before_s = time.process_time()
    go.set()
    for thread in threads:
        thread.join()
    if load.failure:
        raise load.failure
    return time.process_time() - before_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer_folder", type=Path)
    parser.add_argument("--submitters", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    load = Load(
        json.loads(Path(os.environ["BENCH_REPORT"]).read_text()),
        Token(Path(os.environ["BENCH_TOKENS"])),
        range(given.first, given.first + given.count),
        rate=given.rate,
        seconds=given.seconds,
    )
    cpu_s = run(connector(given.peer_folder.resolve()), os.environ["AMQP_URI"], load, given.submitters)
    for line in itertools.chain(load.results, [{"cpu_s": cpu_s}]):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
