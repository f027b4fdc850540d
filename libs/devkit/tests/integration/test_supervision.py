import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import ProcessDidNotStart
from touchstone_devkit.processes.supervision import Supervised, Supervisor

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
SERVE = """
import sys
from http.server import SimpleHTTPRequestHandler, test
test(SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def listener(ledger: Ledger, code: str = LISTEN, *, start_timeout_s: float = 20, http: bool = False) -> Supervised:
    (port,) = free_ports(1)
    command = [sys.executable, "-c", code, str(port)]
    ready_uri = f"http://127.0.0.1:{port}/" if http else None
    return Supervised(
        "listener", command, ledger=ledger, port=port, ready_uri=ready_uri, start_timeout_s=start_timeout_s
    )


def test_a_killed_process_is_started_again_and_a_stopped_one_is_not(ledger: Ledger) -> None:
    process = listener(ledger)
    process.start()
    supervisor = Supervisor([process])
    supervisor.start()

    process.signal(signal.SIGKILL)
    eventually(lambda: process.restarts == 1 and process.is_ready())
    supervisor.stop()
    process.stop()

    assert not process.is_running()


@pytest.mark.parametrize("http", [False, True])
def test_a_process_is_ready_also_when_the_time_for_its_start_is_long_over(ledger: Ledger, http: bool) -> None:
    started = time.monotonic()
    process = listener(ledger, SERVE if http else LISTEN, start_timeout_s=2, http=http)
    process.start()

    eventually(lambda: time.monotonic() - started > 2.2)

    assert process.is_ready()
    process.stop()
    assert not process.is_ready()


def test_a_process_is_started_again_with_another_environment(ledger: Ledger) -> None:
    process = listener(ledger, f"import os; print('heard', os.environ.get('WORD'), flush=True); {LISTEN}")
    process.start()
    supervisor = Supervisor([process])
    supervisor.start()

    process.restart_with({"WORD": "again"})

    supervisor.stop()
    assert process.is_ready() and process.restarts == 1
    assert process.log_tail().split() == ["heard", "None", "heard", "again"]
    process.stop()


def test_the_pause_grows_with_each_death_until_they_are_forgotten(ledger: Ledger) -> None:
    process = listener(ledger)
    process.start()
    supervisor = Supervisor([process])
    supervisor.start()

    def pause_after_a_death() -> float:
        restarts = process.restarts
        process.signal(signal.SIGKILL)
        eventually(lambda: process.restarts > restarts and process.is_ready())
        return process._pause_s

    pauses = [pause_after_a_death(), pause_after_a_death()]
    process.forget_deaths()
    pauses.append(pause_after_a_death())

    supervisor.stop()
    process.stop()
    assert pauses == [0.5, 1.0, 0.5]


def test_a_process_that_is_held_stays_stopped_until_it_is_released(ledger: Ledger) -> None:
    process, other = listener(ledger), listener(ledger)
    process.start()
    other.start()
    supervisor = Supervisor([process, other])
    supervisor.start()

    process.hold()
    other.signal(signal.SIGKILL)
    eventually(lambda: other.restarts == 1)  # the supervisor has looked at both since
    assert process.restarts == 0 and not process.is_running()
    process.release()

    eventually(lambda: process.restarts == 1 and process.is_ready())
    supervisor.stop()
    process.stop()
    other.stop()


def test_a_process_that_ends_while_starting_is_reported_with_the_end_of_its_log(ledger: Ledger) -> None:
    process = listener(ledger, code="print('no such config'); raise SystemExit(2)")

    with pytest.raises(ProcessDidNotStart, match=r"ended while starting(.|\n)*no such config"):
        process.start()


def test_a_port_that_is_taken_is_reported_and_nothing_is_started(ledger: Ledger) -> None:
    first = listener(ledger)
    first.start()
    second = Supervised("second", ["true"], ledger=ledger, port=first.port)

    with pytest.raises(ProcessDidNotStart, match="is taken"):
        second.start()

    first.stop()
