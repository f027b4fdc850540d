import stat
from pathlib import Path

import pytest

from touchstone_devkit.backing import debian_packages
from touchstone_devkit.backing.sources import Unavailable

APT_GET = """#!/bin/sh
echo "$@" >> "{log}"
case "$*" in
  *update*) {update} ;;
  *lists=*" -s "*) {plan} ;;
  *" -s "*|-s*) {stale_plan} ;;
  *download*) for last; do :; done; touch "$last.deb" ;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/lib/x86_64-linux-gnu"
touch "$3/usr/lib/x86_64-linux-gnu/libx.so.1"
"""
PLAN = 'printf "Inst libx1 (1.0 Debian)\\nInst logrotate (3.0)\\nInst broker (4.0)\\nConf broker (4.0)\\n"'
NO_PLAN = 'echo "E: Unable to locate package broker" >&2; exit 100'
NO_NETWORK = 'echo "E: Failed to fetch" >&2; exit 100'


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for stand-ins of apt-get and dpkg, first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def put(folder: Path, name: str, text: str) -> None:
    script = folder / name
    script.write_text(text)
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def apt(folder: Path, *, update: str = "exit 0", plan: str = PLAN, stale_plan: str = PLAN) -> Path:
    log = folder.parent / "apt.log"
    log.touch()
    log.chmod(0o666)
    put(folder, "apt-get", APT_GET.format(log=log, update=update, plan=plan, stale_plan=stale_plan))
    put(folder, "dpkg", DPKG)
    return log


def unpack(into: Path) -> None:
    debian_packages.unpack("broker", into, wanted=lambda name: name.startswith("lib"), announce=lambda line: None)


def test_a_package_and_what_is_wanted_of_its_needs_are_unpacked(tools: Path, tmp_path: Path) -> None:
    log = apt(tools)

    unpack(tmp_path / "broker")

    assert (tmp_path / "broker/usr/lib/x86_64-linux-gnu/libx.so.1").exists()
    assert log.read_text().splitlines()[-1].endswith("download libx1 broker")
    assert "update" not in log.read_text()


def test_where_the_lists_are_missing_fresh_ones_are_read_into_a_folder_of_our_own(tools: Path, tmp_path: Path) -> None:
    log = apt(tools, stale_plan=NO_PLAN)

    unpack(tmp_path / "broker")

    (update,) = [line for line in log.read_text().splitlines() if "update" in line]
    assert "Dir::State::lists=/" in update
    assert (tmp_path / "broker").exists()


def test_where_lists_cannot_be_read_either_the_reason_names_the_way_out(tools: Path, tmp_path: Path) -> None:
    apt(tools, stale_plan=NO_PLAN, update=NO_NETWORK)

    with pytest.raises(Unavailable, match=r"root: apt-get update.*Failed to fetch"):
        unpack(tmp_path / "broker")

    assert not (tmp_path / "broker").exists()


def test_without_apt_the_reason_says_so(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tools))

    with pytest.raises(Unavailable, match="there is no apt-get here"):
        unpack(tmp_path / "broker")


def test_the_library_path_names_the_folders_that_hold_libraries(tools: Path, tmp_path: Path) -> None:
    apt(tools)
    unpack(tmp_path / "broker")

    assert debian_packages.library_path(tmp_path / "broker") == str(tmp_path / "broker/usr/lib/x86_64-linux-gnu")
    assert debian_packages.library_path(tmp_path / "nothing") == ""
