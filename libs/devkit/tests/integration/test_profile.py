"""What the services of a real system record is enough to follow each audit, and holds nothing of what is in one."""

from pathlib import Path

import pytest

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.profiling.submitting import Submitters, environment
from touchstone_devkit.profiling.traces import Spans
from touchstone_devkit.system.runner import System

NEVER_RECORDED = ("eyJ", "Fictional", "example.org", "conformance", "findings", "amqp://", "mongodb://")
"""How a token and an address with a password begin; and words of reports, entities and people's addresses."""


def found(folder: Path) -> list[str]:
    written = "".join(path.read_text() for path in folder.iterdir())
    return [word for word in NEVER_RECORDED if word in written]


@pytest.mark.long
def test_every_audit_is_followed_step_by_step_and_nothing_in_it_is_recorded(backing: Backing, tmp_path: Path) -> None:
    with System(backing=backing, sandbox=True, environment=environment(tmp_path), announce=lambda line: None) as system:
        submitters = Submitters(system)
        submitters.hand_in(1)  # the first may have come before its member was known
        sent = [*submitters.hand_in(2).sent, *submitters.hand_in(4, 2).sent]
        submitters.close()

    spans = Spans(tmp_path / "traces")
    audits = [audit for one in sent if (audit := spans.audit(one))]
    assert len(audits) == len(sent)
    assert {len([step for step in audit.steps if not step.beside]) for audit in audits} == {25}
    assert sum(len(path.read_text()) for path in (tmp_path / "traces").iterdir()) > 10_000
    assert found(tmp_path / "traces") == []


def test_a_word_of_a_report_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"attributes": {"entity": "Fictional works", "broker": "amqp://touchstone"}}')

    assert found(tmp_path) == ["Fictional", "amqp://"]
