"""A test that takes too long fails under its own name, wherever it waits; the tests after it run.

What comes between the parts of a test, its report for one, is not the test: it is not ended, however long it takes.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
MODULE = """
import eventlet
eventlet.monkey_patch()
import pytest
from eventlet.patcher import original

pytestmark = pytest.mark.timeout(0.5)

def busy():
    while True: eventlet.sleep(0)

def busy_and_mean():
    while True: pass

def deaf():
    while True:
        try: eventlet.sleep(1)
        except Exception: pass

def kept_from_its_turn():
    eventlet.spawn(busy_and_mean).wait()

@pytest.mark.parametrize("wait", [
    lambda: eventlet.sleep(30), lambda: original("time").sleep(30), lambda: eventlet.spawn(busy).wait(),
    busy, busy_and_mean, deaf, kept_from_its_turn,
])
@pytest.mark.other_pythons
def test_long(wait):
    wait()

@pytest.mark.other_pythons
def test_short():
    eventlet.sleep(0.1)
"""


SLOW_REPORTS = """
import pytest
from eventlet.patcher import original

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call):
    if call.excinfo: original("time").sleep(0.7)
"""


@pytest.mark.other_pythons
def test_one_that_takes_too_long_fails_and_the_others_run(tmp_path):
    (tmp_path / "test_them.py").write_text(MODULE)
    (tmp_path / "conftest.py").write_text(SLOW_REPORTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "touchstone_testing.time_limit"]
    env = {**os.environ, "PYTHONPATH": str(SUPPORT)}

    done = subprocess.run([*command, "."], cwd=tmp_path, capture_output=True, text=True, timeout=60, env=env)

    assert "7 failed, 1 passed" in done.stdout.splitlines()[-1], done.stdout + done.stderr
    assert "Failed: test_them.py::test_long[deaf] took longer than 0.5 s" in done.stdout
