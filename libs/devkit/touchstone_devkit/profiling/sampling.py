"""Samples where processes are at work with py-spy, in an environment of its own, and sums its stacks up to a tree."""

import contextlib
import dataclasses
import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.folders import CHECKOUT, STATE

REQUIREMENTS = CHECKOUT / "requirements" / "profile.txt"
ENVIRONMENT = STATE / "py-spy"
RATE_HZ = 100
WAITS = "do_poll (eventlet/hubs/"
INSTALL_TIMEOUT_S = 300
ATTACHED_WITHIN_S, WRITTEN_WITHIN_S = 2.0, 30.0


class NotSampled(Exception):
    """There are no samples; the message says why, for whoever reads the page."""


@dataclasses.dataclass
class Frame:
    """A function and what it called: `samples` of it and all below, `own` of it alone. `where` is its file."""

    function: str
    where: str
    samples: int = 0
    own: int = 0
    calls: dict[tuple[str, str], "Frame"] = dataclasses.field(default_factory=dict)


def installed() -> Path:
    """The program, installed anew when the locked requirements changed. Raises NotSampled."""
    program, stamp = ENVIRONMENT / "bin" / "py-spy", ENVIRONMENT / ".locked"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if program.exists() and stamp.exists() and stamp.read_text() == wanted:
        return program
    pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    try:
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
            [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)],
        ):
            subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotSampled(f"py-spy cannot be installed: {_complaint(error)}") from error
    stamp.write_text(wanted)
    return program


@contextlib.contextmanager
def sampled(pids: Mapping[str, int], folder: Path, announce: Announce) -> Iterator[None]:
    """Sample these processes during the block, each into `<name>.folded`. Raises NotSampled where that is forbidden."""
    program = installed()
    samplers: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, pid in pids.items():
            samplers[name] = _attach(program, pid, folder / f"{name}.folded")
        _wait_until_attached(samplers)
        announce(f"py-spy samples {', '.join(samplers)} ({RATE_HZ} times a second)")
        yield
    finally:
        for sampler in samplers.values():
            if sampler.poll() is None:
                sampler.send_signal(signal.SIGINT)
        for sampler in samplers.values():
            _wait(sampler)


def _attach(program: Path, pid: int, output: Path) -> "subprocess.Popen[str]":
    command = [str(program), "record", "--pid", str(pid), "--format", "raw", "--function", "--rate", str(RATE_HZ)]
    command += ["--duration", "unlimited", "--output", str(output)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _wait_until_attached(samplers: Mapping[str, "subprocess.Popen[str]"]) -> None:
    """A sampler that may not read a process ends at once; those that are left after a while are at work."""
    until = time.monotonic() + ATTACHED_WITHIN_S
    while time.monotonic() < until:
        for name, sampler in samplers.items():
            if sampler.poll() is not None:
                said = sampler.stderr.read() if sampler.stderr else ""
                raise NotSampled(f"py-spy could not read the {name} service: {' '.join(said.split())[-300:]}")
        time.sleep(0.1)


def _wait(sampler: "subprocess.Popen[str]") -> None:
    try:
        sampler.communicate(timeout=WRITTEN_WITHIN_S)
    except subprocess.TimeoutExpired:
        sampler.kill()
        sampler.communicate()


def _complaint(error: Exception) -> str:
    return " ".join((getattr(error, "stderr", "") or str(error)).split())[-300:]


def tree(folded: Sequence[str], root: str) -> Frame:
    """The stacks of `folded` (`outermost (file);...;innermost (file) count`, one in a line) as one tree.

    Where the process waits for something to do is left out: on a busy machine py-spy takes waiting for a core for work.
    """
    top = Frame(root, "")
    for line in folded:
        stack, _, count = line.rpartition(" ")
        if not stack or not count.isdigit() or WAITS in stack.rpartition(";")[2]:
            continue
        frame, samples = top, int(count)
        frame.samples += samples
        for entry in stack.split(";"):
            function, _, where = entry.partition(" (")
            key = function, where.rstrip(")")
            frame = frame.calls.setdefault(key, Frame(*key))
            frame.samples += samples
        frame.own += samples
    return top


def own_by_origin(frame: Frame) -> dict[str, int]:
    """How many samples ended in code of each origin (see `origin`)."""
    found: dict[str, int] = {}
    waiting = [frame]
    while waiting:
        current = waiting.pop()
        if current.own:
            name = origin(current.where)
            found[name] = found.get(name, 0) + current.own
        waiting += current.calls.values()
    return found


LIBRARIES = {
    "sockets": ("eventlet/greenio/",),
    "pymongo": ("pymongo/", "bson/", "gridfs/"),
    "amqp": ("amqp/", "kombu/", "vine/"),
    "nameko, eventlet": ("nameko/", "eventlet/", "greenlet/"),
    "marshmallow": ("marshmallow/",),
    "chassis": ("touchstone_chassis/",),
    "contracts": ("touchstone_contracts/",),
    "service": ("assessment/", "certification/", "notification/", "membership/"),
}


def origin(where: str) -> str:
    """Whose code a file is: of a library, of ours, or Python's own. `sockets` is the kernel, sending and receiving."""
    for name, folders in LIBRARIES.items():
        if any(where.startswith(folder) or f"/{folder}" in where for folder in folders):
            return name
    return "other"
