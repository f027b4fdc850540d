"""`make test` leaves no test out, and its closing line counts those of all parts."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run_all() -> Any:
    spec = importlib.util.spec_from_file_location("run_all", ROOT / "tests/run_all.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_parts_are_all_of_the_tests(run_all):
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]

    named = [path for part in run_all.ALL.values() for path in part]
    left_to_others = {path.removeprefix("--ignore=") for path in named if path.startswith("--ignore=")}

    assert sorted({*named} - left_to_others - {f"--ignore={path}" for path in left_to_others}) == sorted(paths)
    assert left_to_others <= {*named}


def test_the_closing_line_adds_up_all_reports(run_all):
    reports = [
        ["FAILED a", "==== 1 failed, 20 passed, 1 skipped, 2 warnings in 1.10s (0:01:01) ===="],
        ["300 passed, 41 errors in 3s", ""],
    ]

    line = run_all.closing_line(reports, 66.5)

    assert line.strip("= ") == "1 failed, 320 passed, 1 skipped, 2 warnings, 41 errors in 66.50s"


def test_paths_that_are_named_are_dealt_out_and_none_is_left_out(run_all):
    named = ["libs/a/tests/unit", "services/b/tests/unit", "libs/c/tests/unit", "libs/chassis/tests/unit", "tests/a"]
    assert run_all.parts_of([f"{folder}/unit" for folder in run_all.LONG]).keys() == set(run_all.LONG)

    parts = run_all.parts_of(named)

    assert parts == {
        "libs": [named[0], named[2]],
        "services": [named[1]],
        "libs/chassis": [named[3]],
        "tests": [named[4]],
    }
    assert run_all.parts_of([]) == {}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("libs/chassis/tests/unit/test_units.py ....     [ 12%]", True),
        ("=================================== FAILURES ===================================", False),
        ("=========================== short test summary info ============================", False),
        ("====== 5 passed in 0.10s ======", False),
        ("============================= slowest 40 durations =============================", False),
        ("6168 bad messages to 116 entrances: 6168 answered or parked within 1 s", True),
    ],
)
def test_progress_is_shown_until_the_report_begins(run_all, line, shown):
    assert (run_all._END_OF_PROGRESS.match(line) is None) == shown


def run_parts(folder: Path) -> "subprocess.CompletedProcess[str]":
    """`make test` of a house with two parts."""
    script = (
        "import sys, runpy; sys.argv = ['run_all.py', '-q', '-p', 'no:cacheprovider'];"
        f"run_all = runpy.run_path({str(ROOT / 'tests/run_all.py')!r});"
        "run_all['ALL'].clear(); run_all['ALL'].update(packages=['test_good.py'], system=['test_bad.py']);"
        "sys.exit(run_all['main'](sys.argv[1:]))"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)


@pytest.mark.other_pythons
def test_a_part_that_fails_fails_the_whole(tmp_path):
    (tmp_path / "test_good.py").write_text("def test_good(): pass")
    (tmp_path / "test_bad.py").write_text("def test_bad(): assert 0")

    done = run_parts(tmp_path)

    assert done.returncode == 1
    assert "FAILED test_bad.py" in done.stdout and " 1 failed, 1 passed, " in done.stdout.splitlines()[-1]


@pytest.mark.other_pythons
@pytest.mark.parametrize("death", ["os._exit(0)", "os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_a_part_that_dies_fails_the_whole_and_is_named_at_the_end(tmp_path, death):
    (tmp_path / "test_good.py").write_text("def test_good(): pass")
    (tmp_path / "test_bad.py").write_text(f"import os\ndef test_bad():\n    os.write(1, b'last words\\n'); {death}")

    done = run_parts(tmp_path)

    assert done.returncode == 70
    told = done.stdout[done.stdout.index("The part system ended with status") :]
    assert " 1 passed, " in told or " 1 passed in " in told
