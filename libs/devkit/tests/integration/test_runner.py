import signal

import pytest
from pymongo import MongoClient

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.ports import free_ports, is_free
from touchstone_devkit.system.runner import SERVICES, System, SystemDidNotStart


@pytest.mark.long
def test_a_system_is_ready_recovers_from_a_kill_and_leaves_nothing_behind(backing: Backing) -> None:
    with System(backing=backing, announce=lambda line: None) as system:
        first = system.processes["certification"].pid
        ports = [process.port for process in system.processes.values()]

        system.kill("certification", signal.SIGKILL)
        eventually(lambda: system.processes["certification"].restarts == 1)
        system.wait_until_ready()

        assert system.processes["certification"].pid != first
        assert system.run("touchstone", "certificate", "1", "--json").returncode != 0
        assert {system.database(name) for name in SERVICES} <= databases(backing)

    assert all(is_free(port) for port in ports)
    assert not {name for name in databases(backing) if name.startswith(system.database_prefix)}
    assert not (system.folder / "data").exists()


def test_a_system_that_cannot_start_says_why_and_stops_what_it_had_started(backing: Backing) -> None:
    (port,) = free_ports(1)
    system = System(
        backing=backing,
        http_ports={"membership": port},
        environment={"TOUCHSTONE_LOG_LEVEL": "loud"},
        announce=lambda line: None,
    )

    with pytest.raises(SystemDidNotStart, match=r"ended while starting(.|\n)*log_level"):
        system.start()

    assert not any(process.is_running() for process in system.processes.values())
    assert is_free(port)


def databases(backing: Backing) -> set[str]:
    client: MongoClient
    with MongoClient(backing.mongo_uri) as client:
        return set(client.list_database_names())
