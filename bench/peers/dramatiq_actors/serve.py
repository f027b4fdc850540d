"""Runs one service as a dramatiq worker until SIGTERM: python serve.py assessment|certification|notification."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # work.py and steps.py

import actors
import dramatiq
from quorum import ASSESSMENT, CERTIFICATION, NOTIFICATION

THREADS = int(os.environ.get("T", 8))
START_S_MAX = 30
SERVICES = {
    "assessment": (ASSESSMENT, actors.assessing),
    "certification": (CERTIFICATION, actors.certifying),
    "notification": (NOTIFICATION, actors.noticing),
}


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    queue, open_database = SERVICES[sys.argv[1]]
    open_database()
    for name in actors.broker.get_declared_queues():
        actors.broker.declare_queue(name, ensure=True)
    worker = dramatiq.Worker(actors.broker, queues={queue}, worker_threads=THREADS)
    worker.start()
    _wait_until_consuming(worker, queue)
    print("ready", flush=True)
    stop.wait()
    worker.stop()
    actors.broker.close()


def _wait_until_consuming(worker: dramatiq.Worker, queue: str) -> None:
    deadline = time.monotonic() + START_S_MAX
    while worker.consumers[queue].consumer is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{queue} is not consumed after {START_S_MAX} s.")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
