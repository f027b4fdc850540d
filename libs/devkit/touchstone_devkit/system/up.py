"""`make up`: starts the system, leaves it running in the background, and says where everything is."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType

from touchstone_devkit.backing import choosing, compose
from touchstone_devkit.backing.choosing import NoBacking, start_backing
from touchstone_devkit.folders import STATE
from touchstone_devkit.processes.leftovers import identity, lives
from touchstone_devkit.processes.ports import is_free, usual_http_ports
from touchstone_devkit.system.runner import System, SystemDidNotStart

STATE_FILE = STATE / "up.json"
LOG_FILE = STATE / "up.log"
SHELL_FILE = STATE / "up.env"
DATABASE_PREFIX = "touchstone"
SMTP_PORT = 1025
RECONCILE_EVERY_S = 60


@dataclasses.dataclass(frozen=True)
class Up:
    """What is up: by which means, the process that keeps it (none with compose), and lines for people."""

    kind: str
    pid: int
    started: float
    where: list[str]

    def is_alive(self) -> bool:
        return self.kind == "docker" or lives(self.pid, self.started)


def what_is_up() -> Up | None:
    try:
        up = Up(**json.loads(STATE_FILE.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return up if up.is_alive() else None


def start_in_background() -> int:
    """Starts a process of its own for the system, shows its output until everything is ready; the exit code."""
    up = what_is_up()
    if up:
        print("It is up already:")
        return _say_where(up)
    STATE.mkdir(exist_ok=True)
    STATE_FILE.unlink(missing_ok=True)
    with LOG_FILE.open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-u", "-m", "touchstone_devkit.system.up", "--serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _show_until_ready(keeper)
    except KeyboardInterrupt:
        keeper.terminate()
        keeper.wait()
        return 130
    up = what_is_up()
    if up is None:
        print("It did not come up.", file=sys.stderr)
        return 1
    return _say_where(up)


def serve() -> int:
    """The background process: brings everything up, then waits for SIGTERM, unless compose keeps it."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        # as for tests, but where Docker is chosen, compose brings up everything and not the two servers alone
        found = start_backing(known={**choosing.sources(os.environ), "docker": compose.start})
    except NoBacking as error:
        print(error)
        return 1
    if found.kind == "docker":
        _write_state("docker", compose.where())
        return 0
    with found:
        try:
            with _system(found) as system:
                _write_state(found.kind, _where(system))
                ended.wait()
        except SystemDidNotStart as error:
            print(error)
            return 1
        finally:
            STATE_FILE.unlink(missing_ok=True)
            SHELL_FILE.unlink(missing_ok=True)
    return 0


def _system(found: choosing.Backing) -> System:
    usual = usual_http_ports()
    return System(
        backing=found,
        own_vhost=found.kind != "environment",
        database_prefix=os.environ.get("TOUCHSTONE_DATABASE_PREFIX", DATABASE_PREFIX),
        sandbox=os.environ.get("TOUCHSTONE_SANDBOX") == "true",
        http_ports={name: port for name, port in usual.items() if is_free(port)},
        smtp_port=SMTP_PORT if is_free(SMTP_PORT) else 0,
        keys_folder=STATE / "keys",
        reconcile_every_s=RECONCILE_EVERY_S,
    )


def _where(system: System) -> list[str]:
    management = {"AMQP_MANAGEMENT_URI": system.management_uri} if system.management_uri else {}
    _write_shell_file({**system.environment, **management})
    lines = [f"{name:<14} {uri}/ready" for name, uri in system.http_uris.items()]
    if system.management_uri:
        lines.append(f"{'broker':<14} {system.management_uri}")
    lines += [f"{'mails':<14} {system.mail_folder}", f"{'logs':<14} {system.log_folder}"]
    return [*lines, f"{'command line':<14} source {SHELL_FILE} && .venv/bin/touchstone --help"]


def _write_shell_file(environment: Mapping[str, str]) -> None:
    SHELL_FILE.touch(mode=0o600)
    SHELL_FILE.write_text("".join(f"export {name}='{value}'\n" for name, value in environment.items()))


def _write_state(kind: str, where: list[str]) -> None:
    draft = STATE_FILE.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(dataclasses.asdict(Up(kind, *identity(os.getpid()), where))))
    draft.replace(STATE_FILE)


def _show_until_ready(keeper: "subprocess.Popen[bytes]") -> None:
    with LOG_FILE.open() as log:
        while True:
            ended = keeper.poll() is not None or STATE_FILE.exists()
            sys.stdout.write(log.read())
            sys.stdout.flush()
            if ended:
                return
            time.sleep(0.1)


def _say_where(up: Up) -> int:
    print("\n".join(f"  {line}" for line in up.where))
    data = {"docker": "; its data stays until make clean", "environment": ""}.get(up.kind, "; its data goes with it")
    print(f"make down stops it{data}.")
    return 0


if __name__ == "__main__":
    sys.exit(serve() if "--serve" in sys.argv else start_in_background())
