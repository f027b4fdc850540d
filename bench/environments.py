"""Makes each peer's environment from its lock, once, and again when the lock has changed."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from bench import progress
from touchstone_devkit.folders import CHECKOUT, STATE

PEERS = CHECKOUT / "bench" / "peers"
PEER_SERVICES = ("assessment", "certification", "notification")
OUR_PACKAGES = ("libs/contracts", "libs/chassis", *map("services/{}".format, PEER_SERVICES))
"""For the pure steps. What they need of other people's packages stands in each peer's lock."""
INSTALL_TIMEOUT_S = 900


class NoEnvironment(RuntimeError):
    """A peer's packages cannot be installed; the message says why."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, made first if need be. Raises NoEnvironment."""
    lock, folder = PEERS / peer / "requirements.txt", STATE / "bench" / peer
    stamp, python = folder / "made-of", folder / "bin" / "python"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    progress.say(f"{peer}: making its environment from its lock")
    venv.create(folder, clear=True, with_pip=True)
    command = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes"]
    command += ["-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode != 0:
        shutil.rmtree(folder)
        raise NoEnvironment(f"{lock}: {done.stderr.strip()[-800:]}")
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "touchstone.pth").write_text("".join(f"{CHECKOUT / package}\n" for package in OUR_PACKAGES))
    stamp.write_text(wanted)
    return python
