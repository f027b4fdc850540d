"""`make any-day` shows tests that pass today and not on every day, or not in every time zone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.other_pythons

SCRIPT = Path(__file__).parents[1] / "any_day.py"


@pytest.mark.parametrize(
    ("fails", "where"),
    [
        ("time.tzname[0] == 'HST'", "Pacific/Honolulu"),
        pytest.param(
            "datetime.date.today() == datetime.date(2028, 2, 29)",
            "2028-02-29 12:00",
            marks=pytest.mark.skipif(not shutil.which("faketime"), reason="faketime is not installed"),
        ),
    ],
)
def test_a_test_that_fails_there_fails_the_whole_and_is_shown(tmp_path: Path, fails: str, where: str) -> None:
    (tmp_path / "test_it.py").write_text(f"import datetime, time\ndef test_that_depends(): assert not ({fails})")

    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, SCRIPT, "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)

    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if where in line and line.endswith(":")]
    assert len(failed) == 1 and "FAILED test_it.py::test_that_depends" in done.stdout
    assert done.stdout.count("1 passed") == 2


def test_each_python_sees_a_day(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_that_passes(): pass")
    other = tmp_path / "other"
    other.write_text(f'#!/bin/sh\necho run by the other >>{tmp_path}/log\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)

    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, SCRIPT, "--also", str(other), "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)

    assert done.returncode == 0 and done.stdout.count("1 passed") == 3
    assert done.stdout.count(f", {other}: ") == (tmp_path / "log").read_text().count("other") == 1
