"""A unit test that reads the real clock, in its module or in what it calls, fails; with a fixed time it passes."""

import datetime
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from touchstone_testing.clock_guard import NOON, FixedTime

READS = {
    "time.time()": NOON.timestamp(),
    "time.time_ns()": int(NOON.timestamp()) * 10**9,
    "time.gmtime()[:6]": (2026, 11, 22, 12, 0, 0),
    "time.mktime(time.localtime())": NOON.timestamp(),
    "time.ctime()": NOON.astimezone().strftime("%a %b %d %H:%M:%S %Y"),
    "time.strftime('%Y%m%d')": NOON.astimezone().strftime("%Y%m%d"),
    "datetime.datetime.now(datetime.UTC)": NOON,
    "datetime.datetime.now(tz=datetime.UTC)": NOON,
    "datetime.datetime.now()": NOON.astimezone().replace(tzinfo=None),
    "datetime.datetime.utcnow()": NOON.replace(tzinfo=None),
    "datetime.datetime.today()": NOON.astimezone().replace(tzinfo=None),
    "datetime.date.today()": NOON.astimezone().date(),
}
MODULE = f"""
import datetime, logging, time
import pytest

@pytest.mark.parametrize("read", {[*READS]!r})
def test_reads(read):
    eval(read)

def test_lets_a_library_read():
    logging.getLogger("x").warning("stamped")

def test_says_which_moment_and_reads_no_clock():
    time.gmtime(0), time.strftime("%Y", time.gmtime(0)), time.monotonic(), datetime.datetime.fromtimestamp(0)

def test_is_handed_a_time(fixed_time):
    time.time()
"""


pytestmark = pytest.mark.other_pythons

SUPPORT = str(Path(__file__).parents[1] / "support")


def run(folder: Path, module: str) -> str:
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(module)
    options = [
        "-q",
        "-rN",
        "-p",
        "no:cacheprovider",
        "-p",
        "touchstone_testing.clock_guard",
        "--rootdir",
        str(folder.parent),
    ]
    command = [sys.executable, "-W", "ignore", "-m", "pytest", *options, str(folder)]
    environ = os.environ | {"PYTHONPATH": SUPPORT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=200, check=False).stdout


def test_a_read_of_the_real_clock_fails_a_unit_test_and_no_other(tmp_path: Path) -> None:
    unit, other = run(tmp_path / "unit", MODULE), run(tmp_path / "integration", MODULE)

    assert f"{len(READS)} failed, 3 passed" in unit
    assert len(re.findall(r"test_it.py:7 in <module> .*: \S+$|<string>:1 in <module> \(test_it\)", unit)) == len(READS)
    assert f"{len(READS) + 3} passed" in other


@pytest.mark.parametrize(
    "first", ["", "import eventlet; eventlet.monkey_patch()"], ids=["real threads", "green threads"]
)
def test_a_thread_reads_for_the_test_that_it_began_in_and_for_no_other(tmp_path: Path, first: str) -> None:
    module = f"""
{first}
import threading, time
import pytest

def read(read_twice, go_on):
    time.time(), read_twice.wait(9), time.time(), go_on.set()

read_twice, go_on = threading.Event(), threading.Event()

@pytest.fixture(scope="session", autouse=True)
def thread():
    threading.Thread(target=read, args=(read_twice, go_on), daemon=True).start()

def test_begins_it():
    time.sleep(0.1)

def test_has_it_beside(thread):
    read_twice.set()
    assert go_on.wait(9)
"""

    done = run(tmp_path / "unit", module)

    assert "1 failed, 1 passed" in done and "in read (test_it): time" in done


def test_a_read_while_it_is_collected_fails_a_module(tmp_path: Path) -> None:
    done = run(tmp_path / "unit", "import datetime\nNOW = datetime.datetime.now()\ndef test(): pass")

    assert "test_it.py:2 in <module> (test_it): datetime.now" in done and "1 error" in done


@pytest.mark.parametrize(("read", "read_as"), READS.items(), ids=READS)
def test_each_way_to_read_the_clock_gives_the_fixed_time(fixed_time: FixedTime, read: str, read_as: object) -> None:
    assert eval(read) == read_as


def test_a_fixed_time_stands_still_until_it_is_moved(fixed_time: FixedTime) -> None:
    fixed_time.advance(1.5)

    assert time.time() == fixed_time.seconds == NOON.timestamp() + 1.5


def test_a_fixed_time_that_runs_goes_on_from_its_moment(fixed_time: FixedTime) -> None:
    fixed_time.run()
    time.sleep(0.01)

    assert datetime.timedelta(seconds=0.01) <= fixed_time.now - NOON
