"""Runs one service as a process: `touchstone-service NAME --config FILE`, until a signal or a fault ends it."""

# ruff: noqa: E402 - nothing may open a socket or make a lock before eventlet has replaced them
import gc
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # eventlet says on every import that it is only maintained: see the ADR on nameko
    import eventlet

eventlet.monkey_patch()

import argparse
import faulthandler
import importlib.metadata
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import eventlet.event
import nameko
import structlog
from eventlet.hubs import get_hub
from nameko.containers import ServiceContainer

from touchstone_chassis.config import ConfigError, check_files, for_nameko, load
from touchstone_chassis.health.checks import Checks
from touchstone_chassis.health.restore import HalfRestored
from touchstone_chassis.observability import logs, tracing
from touchstone_chassis.runtime.signals import DIED, leave_now, signals_heard
from touchstone_chassis.testing import fault_points

log = structlog.get_logger(__name__)

STOPPED, MISCONFIGURED = 0, 2
"""Exit codes: stopped when asked to; the config cannot be used. DIED is the third."""

STOP_WHILE_STARTING_S = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service named on the command line and give the process's exit code."""
    parser = argparse.ArgumentParser(prog="touchstone-service", description="Run one Touchstone service.")
    parser.add_argument("name", help="the service's name, as in its package's entry point")
    parser.add_argument("--config", required=True, metavar="FILE", help="the service's config.yaml")
    options = parser.parse_args(arguments)
    try:
        config = load(options.config, os.environ)
        check_files(config)
        service_class = find_service(options.name)
        fault_points.arm(os.environ, sandbox=config["sandbox"])
        tracing.switch_on(os.environ, sandbox=config["sandbox"], service=options.name)
    except ConfigError as error:
        return _misconfigured(error)
    logs.configure(options.name, config["log_level"])
    _log_what_the_hub_swallows()
    faulthandler.register(
        signal.SIGUSR1, all_threads=True
    )  # where it is at work, to stderr: names and lines, no values
    nameko.config.setup(for_nameko(config, options.name))
    run = Run(ServiceContainer(service_class), config["drain_s"])
    with signals_heard(run.stop, config["drain_s"]):
        code = run.until_it_ends()
        tracing.switch_off()
        leave_now(code)  # without a turn for whatever is still at work: it must not commit or acknowledge any more
    return code


def find_service(name: str) -> type:
    """The class that a package declares under `name` in the entry points `touchstone.services`."""
    declared = importlib.metadata.entry_points(group="touchstone.services")
    if name not in declared.names:
        known = ", ".join(sorted(declared.names)) or "none"
        raise ConfigError([f"no installed package declares a service {name!r} (there are: {known})"])
    found: type = declared[name].load()
    return found


class Run:
    """One life of a service's container: start, work, drain. It ends once, with an exit code."""

    def __init__(self, container: ServiceContainer, drain_s: float):
        self._container = container
        self._drain_s = drain_s
        self._ended = eventlet.event.Event()
        self._started = False
        self._stopping = False

    def until_it_ends(self) -> int:
        """Start the service, and wait until it is stopped or dies. Gives the exit code."""
        eventlet.spawn(self._live)
        code: int = self._ended.wait()
        return code

    def stop(self) -> None:
        """Stop taking work, finish what was begun, and end; past the limit, end all the same.

        What is cut off is neither committed nor acknowledged, so the broker delivers it again.
        """
        if self._stopping:
            return
        self._stopping = True
        limit_s = self._drain_s if self._started else min(self._drain_s, STOP_WHILE_STARTING_S)
        log.info("stopping", limit_s=limit_s, started=self._started)
        checks = self._container.shared_extensions.get(Checks)
        if checks is not None:
            checks.add("not_stopping", lambda: (False, "the service is stopping"))
        eventlet.spawn(self._drain, limit_s)

    def _live(self) -> None:
        try:
            self._container.start()
            _let_garbage_wait()
            self._started = True
            if not self._stopping:
                log.info("started")
            self._container.wait()
        except ConfigError as error:
            self._end(_misconfigured(error))
        except HalfRestored as error:
            log.critical("half_restored")
            print(f"touchstone-service: {error}", file=sys.stderr, flush=True)
            self._end(DIED)
        except BaseException as error:  # whatever ends the container ends the process: its supervisor starts another
            if self._started or not self._stopping:
                log.critical("died", exc_info=error)
            self._end(STOPPED if self._stopping and not self._started else DIED)
        else:
            self._end(STOPPED)

    def _drain(self, limit_s: float) -> None:
        was_started = self._started
        try:
            with eventlet.Timeout(limit_s):
                self._container.stop()
            self._end(STOPPED)
        except eventlet.Timeout:
            log.error("not_drained_in_time", limit_s=limit_s, started=was_started)
            self._end(DIED if was_started else STOPPED)
        except Exception as error:
            # while starting, an extension may be asked to stop what it has not made yet
            if was_started:
                log.error("stop_failed", exc_info=error)
            self._end(DIED if was_started else STOPPED)

    def _end(self, code: int) -> None:
        if not self._ended.ready():
            log.info("ended", exit_code=code)
            self._ended.send(code)


def _let_garbage_wait() -> None:
    """What the process is made of stays; what it makes is looked through seldom, since nearly all goes by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _log_what_the_hub_swallows() -> None:
    """Exceptions that end a green thread nobody waits for: the hub would print them, message and all, to stderr."""
    hub: Any = get_hub()

    def after_waiting_for_a_socket(fileno: int, exc_info: Any) -> None:
        log.warning("green_thread_failed", exc_info=exc_info)
        with suppress(Exception):  # as the hub does itself
            hub.remove_descriptor(fileno)

    hub.squelch_exception = after_waiting_for_a_socket
    hub.squelch_timer_exception = lambda timer, exc_info: log.warning("green_thread_failed", exc_info=exc_info)
    hub.squelch_generic_exception = lambda exc_info: log.warning("green_thread_failed", exc_info=exc_info)


def _misconfigured(error: ConfigError) -> int:
    print("touchstone-service: the configuration cannot be used:", file=sys.stderr)
    for problem in error.problems:
        print(f"  - {problem}", file=sys.stderr)
    sys.stderr.flush()
    return MISCONFIGURED
