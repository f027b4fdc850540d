"""The command behind `make faults`: what it runs, on how many systems, and what it says in the end."""

import contextlib
import dataclasses
import importlib.util
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from harness import exercised, running
from harness.results import Result, Results

CASES = "broker/kill/load, broker/term/load, mail/kill/load, soak"


@pytest.fixture
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("faults_command", Path(__file__).with_name("__main__.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(command: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command with these arguments on systems that do nothing: (exit code, cases that ran, systems)."""
    ran: list[str] = []
    systems: list[str] = []
    turns = itertools.count()

    @contextlib.contextmanager
    def a_system(servers: str) -> Iterator[None]:
        systems.append(servers)
        yield None

    def run_case(system: None, case: Any, seed: int, **_: Any) -> Result:
        ran.append(f"{case.name} {seed}")
        if case.name in run.failing:
            raise run.failing[case.name]
        code = run.code
        return Result(
            case.name,
            seed,
            "c0ffee",
            f"turn {next(turns)}",
            0,
            True,
            audits=1,
            recovery_s=1.0,
            kind=case.kind,
            code=code,
        )

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        ran.clear()
        systems.clear()
        monkeypatch.setattr(sys, "argv", ["faults", "--results", str(tmp_path / "results.json"), *arguments])
        return command.main(), list(ran), list(systems)

    run.failing, run.code = {}, {"chassis": "1111111"}  # type: ignore[attr-defined]
    run.results = lambda: Results(tmp_path / "results.json").all  # type: ignore[attr-defined]
    monkeypatch.setattr(command, "_system", a_system)
    monkeypatch.setattr(exercised, "code", lambda: run.code)  # type: ignore[attr-defined]
    monkeypatch.setattr(exercised, "code_of", lambda _case, code: code)
    monkeypatch.setattr(running, "run_case", run_case)
    return run


def test_cases_that_need_the_same_servers_share_a_system(run: Any) -> None:
    code, ran, systems = run("--cases", CASES, "--seed", "7")

    assert code == 0
    assert systems == ["any", "one", "replicas"]
    assert ran[0] == "mail/kill/load 7" and ran[-1] == "soak 7" and len(ran) == 4


def test_a_run_that_was_stopped_goes_on_with_its_seed_and_what_is_missing(run: Any) -> None:
    run.failing["broker/kill/load"] = KeyboardInterrupt()
    stopped, first, _ = run("--cases", CASES, "--seed", "7")
    run.failing.clear()

    code, second, _ = run("--cases", CASES)

    assert (stopped, code) == (1, 0)
    assert len(run.results()) == 4
    assert sorted({*first, *second}) == ["broker/kill/load 7", "broker/term/load 7", "mail/kill/load 7", "soak 7"]
    assert "mail/kill/load 7" not in second


def test_a_case_that_breaks_costs_its_system_and_is_run_again_the_next_time(run: Any) -> None:
    patterns = "mail/kill/load, mail/term/load"
    run.failing |= {name: RuntimeError("the harness broke") for name in ("mail/kill/load", "mail/term/load")}
    code, _, systems = run("--cases", patterns, "--seed", "7")
    del run.failing["mail/kill/load"]

    again, ran, _ = run("--cases", patterns, "--seed", "7")

    assert (code, systems) == (1, ["any", "any"])
    assert again == 1 and sorted(ran) == ["mail/kill/load 7", "mail/term/load 7"]
    assert {fault for r in run.results() for fault in r.faults} == {"unfinished: RuntimeError: the harness broke"}


def test_runs_are_soaks_each_with_a_seed_of_its_own(run: Any) -> None:
    assert run("--runs", "3", "--seed", "7")[1] == ["soak 7", "soak 8", "soak 9"]


def test_by_default_the_matrix_runs_without_a_soak(run: Any) -> None:
    _, ran, _ = run("--seed", "7")

    assert len(ran) > 300 and not any(name.startswith("soak") for name in ran)


def test_a_fault_makes_the_command_fail(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Result("mail/kill/load", 7, "c0ffee", "now", 0, True, audits=1, faults=["lost: one"], code=run.code)
    monkeypatch.setattr(running, "run_case", lambda *_, **__: lost)

    assert run("--cases", "mail/kill/load", "--seed", "7")[0] == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, 0),
        ({"reached": False}, 1),
        ({"faults": ["lost: one"], "recovery_s": 9.0}, 1),
        ({"recovery_s": 9.0}, 2),
        ({"case": "broker/kill/deploy", "recovery_s": 9.0}, 0),
    ],
)
def test_the_exit_status_tells_a_fault_from_a_target(
    changed: dict[str, Any], code: int, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Result(
        "broker/kill/load", 7, "c0ffee", "now", 0, reached=True, audits=1, recovery_s=1.0, kind="infrastructure"
    )
    result = dataclasses.replace(good, code=run.code, **changed)
    monkeypatch.setattr(running, "run_case", lambda *_, **__: result)

    assert run("--cases", result.case, "--seed", "7")[0] == code


def test_a_case_is_run_again_after_a_commit_that_touched_what_it_exercises(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _, first, _ = run("--cases", CASES, "--seed", "7")
    _, none, _ = run("--cases", CASES, "--seed", "7")
    run.code = {"chassis": "2222222"}
    capsys.readouterr()

    status, again, _ = run("--cases", CASES, "--seed", "7")

    assert (status, none, again) == (0, [], first)
    assert "4 of these ran before the last commit that touched what they exercise" in capsys.readouterr().out
    assert len(run.results()) == 8


def test_results_of_older_code_alone_are_no_success(run: Any) -> None:
    run("--cases", "mail/kill/load", "--seed", "7")
    run.code, run.failing["mail/kill/load"] = {"chassis": "2222222"}, KeyboardInterrupt()

    assert run("--cases", "mail/kill/load", "--seed", "7")[0] == 1


def test_an_older_file_is_judged_by_the_targets_of_today(run: Any, tmp_path: Path) -> None:
    older = Results(tmp_path / "older.json")
    names = ("notification/inbox/kill", "notification/inbox/raise", "membership/domain/kill")
    for name, recovery_s in zip(names, (7.2, 7.2, 6.9), strict=True):
        older.add(Result(name, 22, "c0ffee", "now", time=1, reached=True, audits=24, recovery_s=recovery_s))

    run("--merge", str(tmp_path / "older.json"))

    slow = "notification/inbox/kill: recovery took 7.2 s, at most 7 s were to be reached"
    assert [result.missed for result in run.results()] == [[slow], [], []]
