from pathlib import Path

from touchstone_devkit.backing import native_rabbitmq

DEBIANS_ERL = """#!/bin/sh
if [ -z "$ERL_ROOTDIR" ]
then
    ROOTDIR=/usr/lib/erlang
else
    ROOTDIR=/usr/lib/erlang
fi
BINDIR="$ROOTDIR/erts-13.1.5/bin"
"""


def test_unpacked_erlang_finds_its_folder_from_its_own_place(tmp_path: Path) -> None:
    script = tmp_path / "usr/lib/erlang/bin/erl"
    script.parent.mkdir(parents=True)
    script.write_text(DEBIANS_ERL)

    native_rabbitmq._make_erlang_relocatable(tmp_path)
    native_rabbitmq._make_erlang_relocatable(tmp_path)

    assert "ROOTDIR=/usr/lib/erlang" not in script.read_text()
    assert script.read_text().count('ROOTDIR=$(dirname "$(dirname "$(readlink -f "$0")")")') == 2
    assert script.stat().st_mode & 0o111


def test_of_what_apt_would_install_only_erlang_and_libraries_are_unpacked() -> None:
    needed = ["erlang-base", "libsctp1", "zlib1g", "adduser", "logrotate", "systemd", "socat"]

    assert [name for name in needed if native_rabbitmq._is_needed(name)] == ["erlang-base", "libsctp1", "zlib1g"]


def test_the_broker_listens_on_loopback_only(tmp_path: Path) -> None:
    folder = tmp_path / "rabbitmq"

    native_rabbitmq.write_configuration(folder, 20_001, 20_002, "secret")

    configuration = (folder / "rabbitmq.conf").read_text()
    environment = native_rabbitmq.environment_of(folder, 20_001, 20_003, 20_004)
    assert "listeners.tcp.1 = 127.0.0.1:20001" in configuration
    assert "management.tcp.ip = 127.0.0.1" in configuration
    assert environment["ERL_EPMD_ADDRESS"] == "127.0.0.1"
    assert "inet_dist_use_interface {127,0,0,1}" in environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]


def test_without_the_plugin_no_management_page_is_configured(tmp_path: Path) -> None:
    folder = tmp_path / "rabbitmq"

    native_rabbitmq.write_configuration(folder, 20_001, None, "secret")

    assert "management" not in (folder / "rabbitmq.conf").read_text()
    assert (folder / "enabled_plugins").read_text() == "[].\n"
