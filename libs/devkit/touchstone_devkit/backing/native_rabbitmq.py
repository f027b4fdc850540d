"""Finds the RabbitMQ that is installed, or unpacks Debian's into the project's folder, and configures its nodes."""

import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from touchstone_devkit.backing import debian_packages
from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.folders import STATE

INSTALLED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's. The one in /usr/sbin insists on root or on the user rabbitmq."""
UNPACKED = STATE / "native" / "rabbitmq"


@dataclasses.dataclass(frozen=True)
class Program:
    """A rabbitmq-server that can be run: its script, and what has to be added to the environment for it."""

    server: Path
    origin: str
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def has_management(self) -> bool:
        home = self.server.resolve().parent.parent
        return any(home.glob("plugins/rabbitmq_management-*")) or any(home.glob("plugins/rabbitmq_management.ez"))


def find(announce: Announce) -> Program:
    """The installed server, else the unpacked one, which is downloaded first if it is not there. Raises Unavailable."""
    installed = INSTALLED if INSTALLED.exists() else _on_path()
    if installed:
        return Program(installed, f"installed {installed}")
    if not UNPACKED.exists():
        UNPACKED.parent.mkdir(parents=True, exist_ok=True)
        debian_packages.unpack("rabbitmq-server", UNPACKED, wanted=_is_needed, announce=announce)
    _make_erlang_relocatable(UNPACKED)
    return Program(
        server=UNPACKED / "usr/lib/rabbitmq/bin/rabbitmq-server",
        origin="rabbitmq-server from Debian's packages, unpacked",
        environment={
            "PATH": f"{UNPACKED / 'usr/lib/erlang/bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LD_LIBRARY_PATH": debian_packages.library_path(UNPACKED),
        },
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
