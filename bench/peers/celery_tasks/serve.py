"""Runs one service as a Celery worker until SIGTERM: python serve.py assessment|certification|notification.

One process with a pool of threads; no gossip, no mingling, no events, no remote control. Tried with 16 submitters on
two cores under heavy foreign load: 4, 8, 16 and 32 threads took 11.3, 10.7-11.0, 8.9-9.0 and 8.9 ms of processor time
per audit; prefork with two children per service 16.4 ms and 160 MB instead of 65; a prefetch of one message per thread
9.9 ms instead of four; a serializer with orjson showed no gain (9.4-10.4 ms). Taken: 16 threads, the rest as it comes.
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # work.py and steps.py

import app
from celery.signals import worker_ready

SERVICES = {
    "assessment": (app.ASSESSMENT, app.assessing),
    "certification": (app.CERTIFICATION, app.certifying),
    "notification": (app.NOTIFICATION, app.noticing),
}


@worker_ready.connect
def say_ready(**_: Any) -> None:
    print("ready", flush=True)


def main() -> None:
    queue, open_database = SERVICES[sys.argv[1]]
    open_database()
    worker = app.app.Worker(
        hostname=f"{sys.argv[1]}-{os.getpid()}@bench",
        pool="threads",
        concurrency=app.THREADS,
        queues=[queue],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        redirect_stdouts=False,
        loglevel="ERROR",
        quiet=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
