import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import psutil
import pytest
from pymongo import MongoClient

from touchstone_devkit.backing import native_mongodb, native_rabbitmq
from touchstone_devkit.backing.choosing import start_backing
from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.leftovers import LEDGER, end_stale_runs

NATIVE = {"TOUCHSTONE_BACKING": "native"}
OWNER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may have it ignored
from touchstone_devkit.backing import native_mongodb, native_rabbitmq
from touchstone_devkit.backing.choosing import start_backing
backing = start_backing(announce=lambda line: None)
print(backing.ledger.folder, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """Downloaded beforehand, so that no test's time limit has to hold for it."""
    try:
        native_mongodb.find(print)
        native_rabbitmq.find(print)
    except Unavailable as reason:
        pytest.skip(f"native servers cannot be had here: {reason}")


@pytest.fixture
def owner() -> "Iterator[subprocess.Popen[str]]":
    """Another process that has started native servers for itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env={**os.environ, **NATIVE}
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def run_folder_of(owner: "subprocess.Popen[str]") -> Path:
    assert owner.stdout is not None
    return Path(owner.stdout.readline().strip())


def living(processes: list[list[float]]) -> list[int]:
    alive = []
    for pid, started, _ in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(int(pid))
    return alive


@pytest.mark.long
def test_native_servers_start_work_and_leave_neither_processes_nor_data() -> None:
    with start_backing(environment=NATIVE) as backing:
        folder = backing.ledger.folder
        processes = json.loads((folder / LEDGER).read_text())["processes"]
        connection = pika.BlockingConnection(pika.URLParameters(backing.amqp_uri))
        connection.channel().queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
        connection.close()
        with MongoClient(backing.mongo_uri) as client, client.start_session() as session, session.start_transaction():
            client.devkit.notes.insert_one({"_id": 1}, session=session)
        assert len(living(processes)) == 3

    assert living(processes) == []
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    "number", [*(pytest.param(n, marks=pytest.mark.long) for n in (signal.SIGTERM, signal.SIGINT)), signal.SIGKILL]
)
def test_native_servers_end_with_the_process_that_started_them(
    owner: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    folder = run_folder_of(owner)
    processes = json.loads((folder / LEDGER).read_text())["processes"]
    assert len(living(processes)) == 3

    owner.send_signal(number)
    owner.wait(timeout=30)

    eventually(lambda: living(processes) == [] and not (folder / "data").exists())


def test_servers_whose_owner_and_keeper_were_both_killed_are_ended_by_the_next_run(
    owner: "subprocess.Popen[str]",
) -> None:
    folder = run_folder_of(owner)
    processes = json.loads((folder / LEDGER).read_text())["processes"]
    keepers = [child for child in psutil.Process(owner.pid).children() if str(folder) in child.cmdline()]
    assert len(keepers) == 1

    keepers[0].kill()
    owner.kill()
    owner.wait()
    assert len(living(processes)) == 3
    end_stale_runs(folder.parent)

    eventually(lambda: living(processes) == [])
