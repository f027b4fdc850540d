"""Runs one service as a dramatiq worker until SIGTERM: python serve.py assessment|certification|notification.

One process with worker threads, dramatiq's usual middleware, encoder and prefetch (twice the threads). Tried with 16
submitters on two shared cores: 4, 8, 16 and 32 threads gave 48-67, 78-98, 104-105 and 105-107 audits a second with 7.2,
6.0, 5.9 and 5.9 ms of processor time each; taken: 16. An encoder with orjson made no difference that stood out of the
noise (5.8-6.2 ms with 8 threads), so the stock one stays.
"""

import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # work.py and steps.py

import actors
import dramatiq
from quorum import ASSESSMENT, CERTIFICATION, NOTIFICATION

THREADS = 16
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
