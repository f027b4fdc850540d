"""Makes each peer's environment from its lock, once, and again when the lock has changed."""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from touchstone_devkit.folders import CHECKOUT, STATE

PEERS = CHECKOUT / "bench" / "peers"
ENVIRONMENTS = STATE / "bench"
OUR_PACKAGES = (
    "libs/contracts",
    "libs/chassis",
    "services/assessment",
    "services/certification",
    "services/notification",
)
"""For the pure steps. What they need of other people's packages stands in each peer's lock."""
INSTALL_TIMEOUT_S = 900


class NoEnvironment(RuntimeError):
    """A peer's packages cannot be installed; the message says why."""


def python_of(peer: str, say: Callable[[str], None]) -> Path:
    """The interpreter of a peer's environment, made first if need be. Raises NoEnvironment."""
    lock, folder = PEERS / peer / "requirements.txt", ENVIRONMENTS / peer
    stamp = folder / "made-of"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"{peer}: making its environment from its lock")
        _make(folder, lock)
        stamp.write_text(wanted)
    return folder / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    command += ["--require-hashes", "-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode != 0:
        shutil.rmtree(folder)
        raise NoEnvironment(f"{lock}: {done.stderr.strip()[-800:]}")
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "touchstone.pth").write_text("".join(f"{CHECKOUT / package}\n" for package in OUR_PACKAGES))
