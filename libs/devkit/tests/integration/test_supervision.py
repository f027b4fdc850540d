import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone_devkit.eventually import eventually
from touchstone_devkit.leftovers import Ledger
from touchstone_devkit.ports import free_ports
from touchstone_devkit.processes import ProcessDidNotStart
from touchstone_devkit.supervision import Supervised, Supervisor

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def listener(ledger: Ledger, code: str = LISTEN) -> Supervised:
    (port,) = free_ports(1)
    command = [sys.executable, "-c", code, str(port)]
    return Supervised("listener", command, ledger=ledger, port=port, start_timeout_s=20)


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


def test_a_process_that_ends_while_starting_is_reported_with_the_end_of_its_log(ledger: Ledger) -> None:
    process = listener(ledger, code="print('no such config'); raise SystemExit(2)")

    with pytest.raises(ProcessDidNotStart, match=r"ended while starting(.|\n)*no such config"):
        process.start()


def test_a_port_that_is_taken_is_reported_and_nothing_is_started(ledger: Ledger) -> None:
    first = listener(ledger)
    first.start()
    second = Supervised("second", ["true"], ledger=ledger, port=first._port)

    with pytest.raises(ProcessDidNotStart, match="is taken"):
        second.start()

    first.stop()
