"""Downloads Debian packages and unpacks them into a folder of the project: nothing is installed, no root is needed."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from touchstone_devkit.backing.sources import Announce, Unavailable

TIMEOUT_S = 300
SANDBOX_USER = "_apt"


def unpack(package: str, into: Path, *, wanted: Callable[[str], bool], announce: Announce) -> None:
    """Unpacks `package`, and of what it still needs here those that are `wanted`, into the folder `into`.

    What is needed is apt's own answer, and what is downloaded is checked by apt against its signed lists. Where the
    machine's lists are missing or too old, fresh ones are read into a temporary folder. Raises Unavailable.
    """
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise Unavailable(f"Debian's packages cannot be had: there is no {tool} here")
    with tempfile.TemporaryDirectory(prefix="touchstone-apt-") as name:
        temporary = Path(name)
        temporary.chmod(0o755)  # for apt's own user, to which apt drops its privileges when root downloads
        packages = _download(package, temporary, wanted, announce)
        draft = Path(tempfile.mkdtemp(prefix=f"{into.name}.", dir=into.parent))
        for archive in packages:
            _run(["dpkg", "-x", str(archive), str(draft)])
        try:
            draft.rename(into)
        except OSError:  # another process of this checkout was faster
            shutil.rmtree(draft)


def _download(package: str, temporary: Path, wanted: Callable[[str], bool], announce: Announce) -> list[Path]:
    """With the machine's package lists, or, should that fail, with fresh ones of our own."""
    try:
        return _download_with([], package, temporary, wanted, announce)
    except Unavailable:
        announce("reading Debian's package lists ...")
    own_lists = _own_lists(temporary)
    try:
        _run(["apt-get", *own_lists, "-qq", "-o", "APT::Update::Error-Mode=any", "update"])
    except Unavailable as error:
        reason = "Debian's package lists are missing or too old here, and cannot be read (root: apt-get update)"
        raise Unavailable(f"{reason}: {error}") from error
    return _download_with(own_lists, package, temporary, wanted, announce)


def _download_with(
    options: Sequence[str], package: str, temporary: Path, wanted: Callable[[str], bool], announce: Announce
) -> list[Path]:
    plan = _run(["apt-get", *options, "-s", "--no-install-recommends", "install", package])
    needed = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    names = [name for name in needed if name == package or wanted(name)]
    if package not in names:
        raise Unavailable(f"apt finds nothing to download for {package}")
    announce(f"downloading {package} and {len(names) - 1} more Debian packages into the project's folder ...")
    archives = temporary / "archives"
    archives.mkdir(exist_ok=True)
    _give_to_sandbox(archives)
    _run(["apt-get", *options, "-qq", "download", *names], cwd=archives)
    return sorted(archives.glob("*.deb"))


def _own_lists(temporary: Path) -> list[str]:
    for folder in ("lists/partial", "cache/archives/partial"):
        (temporary / folder).mkdir(parents=True)
        _give_to_sandbox(temporary / folder)
    settings = (f"Dir::State::lists={temporary}/lists", f"Dir::Cache={temporary}/cache", "Debug::NoLocking=1")
    return [word for setting in settings for word in ("-o", setting)]


def _give_to_sandbox(folder: Path) -> None:
    if os.geteuid() == 0:
        with contextlib.suppress(LookupError, OSError):  # no such user: apt then stays root
            shutil.chown(folder, SANDBOX_USER)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        complaints = [line for line in (error.stderr or "").splitlines() if line.startswith("E:")]
        raise Unavailable(f"{command[0]} says: {' '.join(complaints)[:300] or error.returncode}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} did not work: {error}") from error
    return done.stdout


def library_path(unpacked: Path) -> str:
    """The folders of `unpacked` that hold shared libraries, as LD_LIBRARY_PATH; empty if there are none."""
    folders = {
        library.parent for root in ("lib", "usr/lib") for library in (unpacked / root).glob("*-linux-gnu*/*.so*")
    }
    return os.pathsep.join(sorted(map(str, folders)))
