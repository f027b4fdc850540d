"""What a command says by its exit status: docs/operating.md has the list, and no two things have one status."""

import io
import json
import pathlib
import re
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from touchstone.cli import app as command_line
from touchstone.cli import context, reconcile
from touchstone.cli.app import app
from touchstone.provisioning import drift
from touchstone.provisioning.drift import Deviation, Drift
from touchstone.reconciliation.ledger import Discrepancy
from touchstone.reconciliation.round import Round
from touchstone.rpc.client import BrokerUnreachable, Client
from touchstone_contracts.errors import NotFound

pytestmark = pytest.mark.usefixtures("fixed_time")

DONE, FAILED, WRONG_USAGE, NO = 0, 1, 2, 3
VERIFY, RECONCILE, CHECK = ("verify", "195"), ("reconcile",), ("provision", "--check", "--mongo-uri", "mongodb://h/")
HOLDER = "شركة قطر للألمنيوم"


class World:
    """What the services, the databases and the broker say: an exception to be raised, or an answer."""

    said: Any = None

    @classmethod
    def answer(cls) -> Any:
        if isinstance(cls.said, Exception):
            raise cls.said
        return cls.said


class WorldClient(Client):
    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        return World.answer()


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> type[World]:
    monkeypatch.setenv("AMQP_URI", "amqp://guest:guest@broker/")
    monkeypatch.setattr(context, "Client", WorldClient)
    monkeypatch.setattr(reconcile, "reconcile", lambda *_: World.answer())
    monkeypatch.setattr(drift, "find_drift", lambda *_, **__: World.answer())
    return World


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def a_round(*discrepancies: Discrepancy) -> Round:
    begun = reconcile.moment("1h")
    return Round(begun, discrepancies=list(discrepancies))


LEFT = Discrepancy("certification", "case_without_audit", {"audit": "a"}, "There is a case.")
MISSING = Deviation("queue x", "missing", "there", "touchstone provision")


@pytest.mark.parametrize(
    ("command", "said", "status"),
    [
        (VERIFY, {"number": 195, "valid": True}, DONE),
        (VERIFY, {"number": 195, "valid": False}, NO),
        (VERIFY, {"number": 195, "valid": None}, NO),
        (VERIFY, NotFound("There is no certificate 195."), FAILED),
        (VERIFY, BrokerUnreachable("Nothing answers."), FAILED),
        (VERIFY, RuntimeError("a fault of this tool"), FAILED),
        (("verify", "a hundred"), None, WRONG_USAGE),
        (RECONCILE, a_round, DONE),
        (RECONCILE, lambda: a_round(LEFT), NO),
        (RECONCILE, BrokerUnreachable("Nothing answers."), FAILED),
        (("reconcile", "--since", "soon"), None, WRONG_USAGE),
        (CHECK, Drift(()), DONE),
        (CHECK, Drift((MISSING,)), NO),
        (CHECK, BrokerUnreachable("Nothing answers."), FAILED),
        (("provision", "--check"), None, WRONG_USAGE),
    ],
)
def test_no_and_failed_are_told_apart(world: type[World], command: tuple[str, ...], said: Any, status: int) -> None:
    world.said = said() if callable(said) else said

    assert run(*command).exit_code == status


def test_the_list_names_every_status_that_a_command_may_end_with() -> None:
    text = (pathlib.Path(__file__).parents[4] / "docs/operating.md").read_text("utf-8")

    (listed,) = re.findall(r"## Exit statuses\n(.*?)\n## ", text, re.DOTALL)

    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", listed, re.MULTILINE))
    assert {DONE, FAILED, WRONG_USAGE, NO, 130} <= set(map(int, rows))
    assert rows[str(NO)].startswith("no:") and context.ANSWER_IS_NO == NO


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_what_a_terminal_cannot_show_is_escaped_and_the_status_stays_what_it_is(
    world: type[World], monkeypatch: pytest.MonkeyPatch, encoding: str, as_json: bool
) -> None:
    world.said = {"number": 195, "valid": False, "holder": HOLDER, "odd": "\ud800"}
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["touchstone", *VERIFY, *(["--json"] if as_json else [])])

    with pytest.raises(SystemExit) as ended:
        command_line.main()

    sys.stdout.flush()
    printed = written.getvalue().decode(encoding)
    assert ended.value.code == NO
    assert "195" in printed
    assert ("\\u0634" in printed) is (encoding != "utf-8") and (HOLDER in printed) is (encoding == "utf-8")
    if as_json:
        assert json.loads(printed)["holder"] == HOLDER
