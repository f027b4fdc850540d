"""Runs the whole system on this machine: backing services, provisioning, mail sink and the four services.

    with System() as system:                # everything is up and ready inside the block
        system.amqp_uri, system.mongo_uri   # with credentials; the vhost is its own where the broker allows it
        system.management_uri               # the broker's management page with credentials, or None
        system.database_prefix              # databases are `<prefix>_<service>`: system.database("certification")
        system.backing                      # touchstone_devkit.backing.choosing.Backing: .kind, .reason
        system.mail_folder                  # pathlib.Path; an `.eml` file for each message that was accepted
        system.log_folder                   # pathlib.Path; `<process>.log`
        system.http_uris["certification"]   # "http://127.0.0.1:<port>" with /live, /ready and /metrics
        system.processes["certification"].pid           # now; also "mail-sink"; .restarts counts restarts after a death
        system.kill("certification", signal.SIGKILL)    # the process only; it is started again with backoff
        system.wait_until_ready(timeout_s=60)           # after a kill: every process is up, every /ready says yes
        system.restart("certification", {"A": "b"})     # drained, then started with this variable as well
        system.token("assessor", cab="dnv-uk")          # a fresh caller token (compact JWS, life five minutes)
        system.environment                  # what the services see beyond os.environ; for `touchstone` commands too
        system.run("touchstone", "status", "x")         # subprocess.CompletedProcess of a command in it (text)

Arguments, all by name and all optional: `backing` (a started Backing; else one is started here and stopped with the
system), `own_vhost` (False: the one in the broker's address), `database_prefix`, `sandbox` (True lets the clock be
moved), `http_ports` and `smtp_port` (else free ones), `keys_folder` (else keys of its own), `environment` (more
variables for the services), `announce` (called with each line of progress; prints by default), `reconcile_every_s`
(seconds between the rounds of a reconciler that runs beside the services and mends what it may; none by default).
"""

import contextlib
import dataclasses
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from touchstone.auth import keys, tokens
from touchstone_contracts.addresses import with_credentials
from touchstone_contracts.services import SERVICES
from touchstone_devkit.backing.broker import create_vhost, delete_users, delete_vhost
from touchstone_devkit.backing.choosing import Backing, start_backing
from touchstone_devkit.backing.replica_set import drop_databases, drop_users
from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.eventually import patience
from touchstone_devkit.folders import CHECKOUT, DATA, new_run_folder
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import ProcessDidNotStart
from touchstone_devkit.processes.supervision import Supervised, Supervisor

MAIL_SINK, RECONCILER = "mail-sink", "reconciler"
ISSUER = keys.DEFAULT_ISSUER
PROVISION_TIMEOUT_S = 120


class SystemDidNotStart(RuntimeError):
    """A step on the way up failed; the message carries the end of its output."""


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class System:
    """The whole system as processes of this machine; see the module's docstring."""

    backing: Backing = None  # type: ignore[assignment] # none until the start
    database_prefix: str = ""
    own_vhost: bool = True
    sandbox: bool = False
    http_ports: Mapping[str, int] = dataclasses.field(default_factory=dict)
    smtp_port: int = 0
    keys_folder: Path | None = None
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    announce: Announce = print
    reconcile_every_s: int | None = None

    def __post_init__(self) -> None:
        self._drop_databases = not self.database_prefix
        self._has_users = False
        self.database_prefix = self.database_prefix or f"touchstone_{secrets.token_hex(4)}"
        self.processes: dict[str, Supervised] = {}
        self.http_uris: dict[str, str] = {}
        self._steps_down = contextlib.ExitStack()

    def start(self) -> "System":
        """Returns when every /ready says yes. Raises NoBacking or SystemDidNotStart, and leaves nothing running."""
        try:
            self._start()
        except BaseException as error:
            self.stop()
            if isinstance(error, ProcessDidNotStart):
                raise SystemDidNotStart(str(error)) from error
            raise
        return self

    def stop(self) -> None:
        """Each process gets SIGTERM and, 30 s later, SIGKILL. Logs and mails stay. Safe to repeat."""
        self._steps_down.close()

    def __enter__(self) -> "System":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Sends a signal to one process; it is started again with backoff if it dies of it."""
        self.processes[name].signal(number)

    def wait_until_ready(self, timeout_s: float = 60) -> None:
        """Raises TimeoutError naming the processes that are not ready."""
        begun = time.monotonic()
        waiting = list(self.processes.values())
        while waiting := [process for process in waiting if not process.is_ready()]:
            took_s = time.monotonic() - begun
            if took_s > timeout_s * patience():
                raise TimeoutError(f"not ready after {took_s:.0f} s: {', '.join(p.name for p in waiting)}")
            time.sleep(0.1)

    def restart(
        self, name: str, environment: Mapping[str, str] | None = None, *, services: Path = CHECKOUT / "services"
    ) -> None:
        """Starts one service anew, with these variables besides the usual ones; returns when it is ready.

        `services` is the folder where its configuration is: of another release, whose code PYTHONPATH names.
        """
        command = _command(name, services)
        self.processes[name].restart_with({**self.environment, **(environment or {})}, command=command)

    def token(self, role: str, *, sub: str | None = None, cab: str | None = None, member: str | None = None) -> str:
        """A caller token of the development issuer; `sub` is `<role>-dev` by default."""
        return tokens.sign(self._key, sub or f"{role}-dev", role, cab=cab, member=member)

    def database(self, service: str) -> str:
        return f"{self.database_prefix}_{service}"

    def run(self, *command: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a command in the system's environment; the commands of our packages are found beside this Python."""
        beside = Path(sys.executable).parent / command[0]
        program = str(beside) if beside.exists() else command[0]
        return subprocess.run(
            [program, *command[1:]],
            env={**os.environ, **self.environment},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def _start(self) -> None:
        self._obtain_backing()
        self.folder = new_run_folder()
        self.mail_folder, self.log_folder = self.folder / "mail", self.folder / "logs"
        ledger = Ledger(self.folder)
        self._steps_down.callback(ledger.close)
        self._make_keys()
        self._take_ports()
        self.environment = self._new_environment()
        self._provision()
        self._define_processes(ledger)
        self._start_process_group([MAIL_SINK])
        self._start_process_group(SERVICES)
        if RECONCILER in self.processes:
            self._start_process_group([RECONCILER])
        supervisor = Supervisor(self.processes.values())
        self._steps_down.callback(supervisor.stop)
        supervisor.start()

    def _obtain_backing(self) -> None:
        if self.backing is None:
            self.backing = start_backing(announce=self.announce)
            self._steps_down.callback(self.backing.stop)
        if self._drop_databases:
            self._steps_down.callback(drop_databases, self.backing.mongo_uri, self.database_prefix)
        self.amqp_uri, self.mongo_uri = self.backing.amqp_uri, self.backing.mongo_uri
        self.management_uri = self.backing.management_uri
        if self.management_uri and self.own_vhost:
            vhost = f"touchstone-{secrets.token_hex(4)}"
            own = create_vhost(self.management_uri, self.amqp_uri, vhost)
            if own:
                self.amqp_uri, self._has_users = own, True
                self._steps_down.callback(delete_users, self.management_uri, self.database_prefix)
                self._steps_down.callback(drop_users, self.mongo_uri, self.database_prefix)
                self._steps_down.callback(delete_vhost, self.management_uri, vhost)

    @property
    def calls_uri(self) -> str:
        """The broker's address for whoever calls: with a user that may do no more, where the broker gives us users."""
        return self.environment.get("TOUCHSTONE_AMQP_URI", self.amqp_uri)

    @property
    def making_users(self) -> list[str]:
        """What `touchstone provision` is told so that it makes users with rights, where the broker lets us."""
        if not (self._has_users and self.management_uri):
            return []
        return ["--users", str(self.users_folder), "--management-uri", self.management_uri]

    @property
    def users_folder(self) -> Path:
        return self.folder / DATA / "users"

    def _make_keys(self) -> None:
        folder = self.keys_folder or self.folder / DATA / "keys"
        private_path, self._jwks_path = folder / "issuer.json", folder / "jwks.json"
        if not (private_path.exists() and self._jwks_path.exists()):
            keys.init(ISSUER, private_path, self._jwks_path)
        self._reconciler_key_path = folder / "reconciler.json"
        if not self._reconciler_key_path.exists():
            keys.init(ISSUER, self._reconciler_key_path, self._jwks_path, roles=["operator"])
        self._event_keys_path = folder / "event-keys.json"
        self._signing_keys = {name: folder / f"{name}.events.json" for name in SERVICES}
        for name, path in self._signing_keys.items():
            if not path.exists():
                keys.init_service(name, path, self._event_keys_path)
        self._private_path = private_path
        self._key = keys.load(private_path)

    def _take_ports(self) -> None:
        free = iter(free_ports(len(SERVICES) + 1))
        self.http_ports = {name: self.http_ports.get(name) or next(free) for name in SERVICES}
        self.smtp_port = self.smtp_port or next(free)
        self.http_uris = {name: f"http://127.0.0.1:{port}" for name, port in self.http_ports.items()}

    def _new_environment(self) -> dict[str, str]:
        return {
            "AMQP_URI": self.amqp_uri,
            "MONGO_URI": self.mongo_uri,
            "TOUCHSTONE_DATABASE_PREFIX": self.database_prefix,
            "TOUCHSTONE_JWKS": str(self._jwks_path),
            "TOUCHSTONE_EVENT_KEYS": str(self._event_keys_path),
            **{f"{name.upper()}_SIGNING_KEY": str(path) for name, path in self._signing_keys.items()},
            "TOUCHSTONE_KEY": str(self._private_path),
            "TOUCHSTONE_ISSUERS": ISSUER,
            "TOUCHSTONE_SANDBOX": str(self.sandbox).lower(),
            "TOUCHSTONE_HTTP_HOST": "127.0.0.1",
            "TOUCHSTONE_SMTP_HOST": "127.0.0.1",
            "TOUCHSTONE_SMTP_PORT": str(self.smtp_port),
            "PYTHONUNBUFFERED": "1",
            **{f"{name.upper()}_HTTP_PORT": str(port) for name, port in self.http_ports.items()},
            **self.environment,
        }

    def _define_processes(self, ledger: Ledger) -> None:
        sink = [sys.executable, "-m", "touchstone_devkit.system.mail_sink", "--port", str(self.smtp_port)]
        sink += ["--folder", str(self.mail_folder)]
        self.processes[MAIL_SINK] = Supervised(MAIL_SINK, sink, ledger=ledger, port=self.smtp_port)
        for name in SERVICES:
            self.processes[name] = Supervised(
                name,
                _command(name, CHECKOUT / "services"),
                ledger=ledger,
                port=self.http_ports[name],
                ready_uri=f"{self.http_uris[name]}/ready",
                environment=self.environment,
            )
        if self.reconcile_every_s is not None:
            self.processes[RECONCILER] = self._reconciler(ledger, self.reconcile_every_s)

    def _reconciler(self, ledger: Ledger, every_s: int) -> Supervised:
        command = [sys.executable, "-m", "touchstone.cli", "reconcile", "--every", str(every_s), "--mend", "--json"]
        operator = {
            "TOUCHSTONE_KEY": str(self._reconciler_key_path),
            "TOUCHSTONE_ROLE": "operator",
            "TOUCHSTONE_SUBJECT": RECONCILER,
        }
        environment = self.environment | operator
        return Supervised(RECONCILER, command, ledger=ledger, port=None, environment=environment)

    def _start_process_group(self, names: Sequence[str]) -> None:
        """All at once; each is waited for after all were launched."""
        begun = time.monotonic()
        self._steps_down.callback(self._stop_process_group, names)
        for name in names:
            self.processes[name].launch()
        for name in names:
            self.processes[name].wait_until_ready()
        self.announce(f"ready: {', '.join(names)} ({time.monotonic() - begun:.1f} s)")

    def _stop_process_group(self, names: Sequence[str]) -> None:
        """All at once too: nobody waits for another's drain."""
        for name in names:
            self.processes[name].ask_to_stop()
        for name in names:
            self.processes[name].stop()

    def _provision(self) -> None:
        begun = time.monotonic()
        command = [sys.executable, "-m", "touchstone.cli", "provision", *self.making_users]
        done = self.run(*command, timeout_s=PROVISION_TIMEOUT_S)
        self.log_folder.mkdir(exist_ok=True)
        (self.log_folder / "provision.log").write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            raise SystemDidNotStart(f"provisioning failed:\n{(done.stdout + done.stderr)[-2000:]}")
        if self._has_users:
            for name in SERVICES:
                self.environment[f"{name.upper()}_AMQP_CREDENTIALS"] = str(self.users_folder / name / "amqp")
                of_database = self.users_folder / name / "mongo"
                if "@" in self.mongo_uri and of_database.exists():  # it asks for users, and lets us make some
                    self.environment[f"{name.upper()}_MONGO_CREDENTIALS"] = str(of_database)
            outside = (self.users_folder / "outside" / "amqp").read_text()
            self.environment["TOUCHSTONE_AMQP_URI"] = with_credentials(self.amqp_uri, outside)
        self.announce(f"provisioned: queues, users and indexes ({time.monotonic() - begun:.1f} s)")


def _command(service: str, services: Path) -> list[str]:
    return [sys.executable, "-m", "touchstone_chassis", service, "--config", str(services / service / "config.yaml")]
