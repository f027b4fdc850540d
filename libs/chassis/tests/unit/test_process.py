"""One life of a service's container, and which exit code it ends with."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import eventlet
import eventlet.event
import pytest
from nameko.containers import ServiceContainer
from nameko.extensions import DependencyProvider

from touchstone_chassis.config import ConfigError
from touchstone_chassis.health.checks import Checks
from touchstone_chassis.runtime import process, signals
from touchstone_chassis.runtime.process import DIED, MISCONFIGURED, STOPPED, Run
from touchstone_devkit.eventually import patience


class Scripted(DependencyProvider):
    """An extension whose moments are set by the test."""

    checks = Checks()
    at_setup: Any = None
    at_start: Any = None
    at_stop: Any = None

    def setup(self) -> None:
        _play(type(self).at_setup)

    def start(self) -> None:
        _play(type(self).at_start)

    def stop(self) -> None:
        _play(type(self).at_stop)


def _play(moment: Any) -> None:
    if moment is not None:
        moment()


def for_ever() -> None:
    eventlet.event.Event().wait()


@pytest.fixture
def script() -> Iterator[type[Scripted]]:
    yield Scripted
    Scripted.at_setup = Scripted.at_start = Scripted.at_stop = None


def a_run(drain_s: float = 5.0) -> Run:
    class Service:
        name = "toy"
        scripted = Scripted()

    return Run(ServiceContainer(Service), drain_s)


def raising(error: BaseException) -> Any:
    def moment() -> None:
        raise error

    return moment


def test_a_service_that_is_stopped_ends_well(script: type[Scripted]) -> None:
    run = a_run()
    script.at_start = lambda: eventlet.spawn_after(0.01, run.stop)

    assert run.until_it_ends() == STOPPED


def test_a_service_that_is_stopping_is_no_longer_ready(script: type[Scripted]) -> None:
    run = a_run()
    seen: list[Any] = []
    script.at_start = lambda: eventlet.spawn_after(0.01, run.stop)
    script.at_stop = lambda: seen.extend(run._container.shared_extensions[Checks].run())

    run.until_it_ends()

    assert seen == [{"name": "not_stopping", "ok": False, "detail": "the service is stopping"}]


@pytest.mark.parametrize("moment", ["at_setup", "at_start"])
def test_a_service_that_cannot_start_dies(script: type[Scripted], moment: str) -> None:
    setattr(script, moment, raising(OSError("port in use")))

    assert a_run().until_it_ends() == DIED


def test_settings_that_are_wrong_end_as_misconfigured(
    script: type[Scripted], capsys: pytest.CaptureFixture[str]
) -> None:
    script.at_setup = raising(ConfigError(["settings.smtp: is missing", "settings.port: not a valid integer."]))

    assert a_run().until_it_ends() == MISCONFIGURED
    assert capsys.readouterr().err.endswith("  - settings.smtp: is missing\n  - settings.port: not a valid integer.\n")


@pytest.mark.parametrize("error", [ValueError("bug"), eventlet.Timeout(), SystemExit(0)])
def test_a_fault_at_work_ends_the_process(script: type[Scripted], error: BaseException) -> None:
    run = a_run()
    script.at_start = lambda: eventlet.spawn_after(0.01, run._container.kill, (type(error), error, error.__traceback__))

    assert run.until_it_ends() == DIED


def test_a_service_can_be_stopped_while_it_waits_for_a_broker(
    script: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_WHILE_STARTING_S", 0.05)
    script.at_start = script.at_stop = for_ever
    run = a_run()
    eventlet.spawn_after(0.01, run.stop)
    began = time.monotonic()

    assert run.until_it_ends() == STOPPED
    assert time.monotonic() - began < patience()


def test_an_extension_that_stumbles_over_a_stop_while_starting_does_no_harm(script: type[Scripted]) -> None:
    script.at_start, script.at_stop = for_ever, raising(AttributeError("not made yet"))
    run = a_run()
    eventlet.spawn_after(0.01, run.stop)

    assert run.until_it_ends() == STOPPED


def test_work_that_does_not_end_is_cut_off_at_the_limit(script: type[Scripted]) -> None:
    run = a_run(drain_s=0.05)
    script.at_start = lambda: eventlet.spawn_after(0.01, run.stop)
    script.at_stop = for_ever
    began = time.monotonic()

    assert run.until_it_ends() == DIED
    assert time.monotonic() - began < patience()


def test_stopping_twice_is_stopping_once(script: type[Scripted]) -> None:
    run = a_run()
    stops: list[int] = []
    script.at_start = lambda: (eventlet.spawn_after(0.01, run.stop), eventlet.spawn_after(0.01, run.stop))
    script.at_stop = lambda: stops.append(1)

    assert run.until_it_ends() == STOPPED
    assert stops == [1]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_heard_while_the_hub_sleeps(signum: int) -> None:
    heard = eventlet.event.Event()
    kill_from_outside = f"sleep 0.1; kill -{signum} {os.getpid()}"

    with signals.signals_heard(lambda: heard.send("heard"), 60):
        os.posix_spawn("/bin/sh", ["sh", "-c", kill_from_outside], os.environ)
        with eventlet.Timeout(10):
            assert heard.wait() == "heard"


def test_a_second_signal_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(signals, "leave_now", left.append)

    with signals.signals_heard(lambda: None, 60):
        os.kill(os.getpid(), signal.SIGTERM)
        assert left == []
        os.kill(os.getpid(), signal.SIGINT)

    assert left == [DIED]


def test_a_service_that_no_package_declares_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="no installed package declares a service 'nothing'"):
        process.find_service("nothing")
