"""RabbitMQ as a native process: the installed one, or Debian's unpacked into the project's folder."""

import dataclasses
import os
import re
import secrets
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from touchstone_devkit.backing import debian_packages
from touchstone_devkit.backing.broker import wait_until_broker_answers
from touchstone_devkit.backing.sources import Announce, Unavailable
from touchstone_devkit.folders import DATA, STATE
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess

INSTALLED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's. The one in /usr/sbin insists on root or on the user rabbitmq."""
UNPACKED = STATE / "native" / "rabbitmq"
START_TIMEOUT_S = 120


@dataclasses.dataclass(frozen=True)
class Program:
    """A rabbitmq-server that can be run: its script, and what has to be added to the environment for it."""

    server: Path
    path: str = ""
    libraries: str = ""
    origin: str = ""

    @property
    def epmd(self) -> str | None:
        return shutil.which("epmd", path=f"{self.path}{os.pathsep}{os.environ.get('PATH', '')}")

    @property
    def has_management(self) -> bool:
        home = self.server.resolve().parent.parent
        return any(home.glob("plugins/rabbitmq_management-*")) or any(home.glob("plugins/rabbitmq_management.ez"))

    def environment(self) -> dict[str, str]:
        variables = {}
        if self.path:
            variables["PATH"] = f"{self.path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        if self.libraries:
            variables["LD_LIBRARY_PATH"] = self.libraries
        return variables


@dataclasses.dataclass(frozen=True)
class Broker:
    """A running broker and the two processes that it consists of, in the order in which to stop them."""

    amqp_uri: str
    management_uri: str | None
    origin: str
    processes: tuple[LocalProcess, ...]

    def stop(self) -> None:
        for process in self.processes:
            process.stop()


def find(announce: Announce) -> Program:
    """The installed server, else the unpacked one, which is downloaded first if it is not there. Raises Unavailable."""
    installed = INSTALLED if INSTALLED.exists() else _on_path()
    if installed:
        return Program(installed, origin=f"installed {installed}")
    if not UNPACKED.exists():
        UNPACKED.parent.mkdir(parents=True, exist_ok=True)
        debian_packages.unpack("rabbitmq-server", UNPACKED, wanted=_is_needed, announce=announce)
    _make_erlang_relocatable(UNPACKED)
    return Program(
        server=UNPACKED / "usr/lib/rabbitmq/bin/rabbitmq-server",
        path=str(UNPACKED / "usr/lib/erlang/bin"),
        libraries=debian_packages.library_path(UNPACKED),
        origin="rabbitmq-server from Debian's packages, unpacked",
    )


def start(ledger: Ledger, announce: Announce) -> Broker:
    """A broker of this run's own: node name, ports, cookie, user and data; everything listens on loopback only."""
    program = find(announce)
    if not program.epmd:
        raise Unavailable("a rabbitmq-server is there, but no epmd (part of Erlang)")
    amqp_port, dist_port, epmd_port, management_port = free_ports(4)
    folder = ledger.folder / DATA / "rabbitmq"
    password = secrets.token_urlsafe(12)
    has_management = program.has_management
    write_configuration(folder, amqp_port, management_port if has_management else None, password)
    environment = program.environment() | environment_of(folder, amqp_port, dist_port, epmd_port)
    epmd = LocalProcess(
        "epmd",
        [program.epmd, "-port", str(epmd_port), "-address", "127.0.0.1"],
        ledger=ledger,
        port=epmd_port,
        environment=environment,
        stop_signal=signal.SIGKILL,
    )
    server = server_process("rabbitmq", program, ledger, folder, amqp_port, environment)
    epmd.start()
    server.start()
    amqp_uri = f"amqp://touchstone:{password}@127.0.0.1:{amqp_port}/"
    wait_until_broker_answers(amqp_uri, timeout_s=START_TIMEOUT_S)
    management_uri = f"http://touchstone:{password}@127.0.0.1:{management_port}" if has_management else None
    return Broker(amqp_uri, management_uri, program.origin, (server, epmd))


def server_process(
    name: str, program: Program, ledger: Ledger, folder: Path, amqp_port: int, environment: Mapping[str, str]
) -> LocalProcess:
    """The process of one node, not started yet."""
    return LocalProcess(
        name,
        [str(program.server)],
        ledger=ledger,
        port=amqp_port,
        environment=environment,
        cwd=folder,
        start_timeout_s=START_TIMEOUT_S,
        stop_signal=signal.SIGKILL,  # its data is thrown away: nothing to put in order first
    )


def _on_path() -> Path | None:
    """One from Homebrew or a distribution whose script needs no root; never Debian's wrapper in /usr/sbin."""
    found = shutil.which("rabbitmq-server")
    if not found or (sys.platform == "linux" and Path(found).parent == Path("/usr/sbin") and os.geteuid() != 0):
        return None
    return Path(found)


def _is_needed(package: str) -> bool:
    """Erlang and shared libraries; neither users, log rotation nor an init system."""
    return package.startswith(("erlang-", "lib", "zlib"))


def _make_erlang_relocatable(unpacked: Path) -> None:
    """Debian's `erl` knows only /usr/lib/erlang; ours finds its folder from its own place, wherever that moves."""
    script = unpacked / "usr/lib/erlang/bin/erl"
    text = script.read_text()
    changed = re.sub(
        r"^(\s*)ROOTDIR=/usr/lib/erlang$",
        r'\1ROOTDIR=$(dirname "$(dirname "$(readlink -f "$0")")")',
        text,
        flags=re.MULTILINE,
    )
    if changed != text:
        draft = script.with_name(f"erl.{os.getpid()}")
        draft.write_text(changed)
        draft.chmod(0o755)
        draft.replace(script)


def write_configuration(
    folder: Path, amqp_port: int, management_port: int | None, password: str, more: Iterable[str] = ()
) -> None:
    """Makes a node's folder and its files; `more` are lines for rabbitmq.conf."""
    folder.mkdir(parents=True)
    lines = [
        f"listeners.tcp.1 = 127.0.0.1:{amqp_port}",
        "default_user = touchstone",
        f"default_pass = {password}",
        "disk_free_limit.absolute = 100MB",
        *more,
    ]
    if management_port:
        lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {management_port}"]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "rabbitmq-env.conf").write_text("")
    (folder / "enabled_plugins").write_text(f"[{'rabbitmq_management' if management_port else ''}].\n")


def node_name(amqp_port: int) -> str:
    return f"touchstone-{amqp_port}@localhost"


def environment_of(folder: Path, amqp_port: int, dist_port: int, epmd_port: int) -> dict[str, str]:
    """What a node sees: everything of it is in its folder, and it listens on loopback only."""
    return {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": node_name(amqp_port),
        "RABBITMQ_NODE_PORT": str(amqp_port),
        "RABBITMQ_DIST_PORT": str(dist_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the server instead of standing before it
    }
