from pathlib import Path

import pytest

from touchstone_devkit.backing import erlang_calls
from touchstone_devkit.backing.erlang_calls import ErlangCalls, EvaluationFailed

PROGRAM = """#!/bin/sh
cat > /dev/null
echo x >> "$HOME/calls"
test "$(wc -l < "$HOME/calls")" -gt {turned_away} || {{ echo 'erl_call: {complaint}' >&2; exit 1; }}
echo '{{ok, 42}}'
"""


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erlang_calls, "PAUSE_S", 0.0)


def calls(folder: Path, turned_away: int, complaint: str) -> ErlangCalls:
    program = folder / "erl_call"
    program.write_text(PROGRAM.format(turned_away=turned_away, complaint=complaint))
    program.chmod(0o755)
    return ErlangCalls(1, {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)})


def how_often(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def test_a_caller_that_a_node_turned_away_tries_again(tmp_path: Path) -> None:
    assert calls(tmp_path, 2, "failed to connect to node").evaluate("41 + 1") == "42"
    assert how_often(tmp_path) == 3


def test_in_the_end_it_says_that_the_node_is_not_reached(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFailed, match="failed to connect"):
        calls(tmp_path, 99, "failed to connect to node").evaluate("ok")

    assert how_often(tmp_path) == erlang_calls.ATTEMPTS


def test_what_may_have_been_evaluated_is_not_evaluated_again(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFailed, match="rpc failed"):
        calls(tmp_path, 1, "rpc failed").evaluate("ok")

    assert how_often(tmp_path) == 1
