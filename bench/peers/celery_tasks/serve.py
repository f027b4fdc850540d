"""Runs one service as a Celery worker until SIGTERM: python serve.py assessment|certification|notification."""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # work.py and steps.py

import app
from celery.signals import worker_ready

POOL = os.environ.get("POOL", "threads")
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
    if POOL == "threads":
        open_database()
    worker = app.app.Worker(
        hostname=f"{sys.argv[1]}@bench",
        pool=POOL,
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
