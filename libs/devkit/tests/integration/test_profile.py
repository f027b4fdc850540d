"""What the services of a real system record is enough to follow each audit, and holds nothing of what is in one."""

from pathlib import Path

import pytest

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.profiling import moments
from touchstone_devkit.profiling.assembling import PATH, TRIED, Assembly, Trace
from touchstone_devkit.profiling.submitting import Submitters, standards_with_automatic_acceptance
from touchstone_devkit.system.runner import System

NEVER_RECORDED = ("eyJ", "Fictional", "example.org", "conformance", "findings")
"""How a token begins; and words of reports, entities and addresses."""


@pytest.mark.slow
def test_every_audit_is_followed_step_by_step_and_nothing_in_it_is_recorded(backing: Backing, tmp_path: Path) -> None:
    spans = tmp_path / "spans"
    spans.mkdir()
    environment = {
        "TOUCHSTONE_SPANS": str(spans),
        "ASSESSMENT_STANDARDS_FOLDER": str(standards_with_automatic_acceptance(tmp_path / "standards")),
        "NOTIFICATION_RUN_DEADLINES": "false",
    }

    with System(backing=backing, sandbox=True, environment=environment, announce=lambda line: None) as system:
        submitters = Submitters(system)
        submitters.stage()
        submitters.one_at_a_time(1)  # the first may have come before its member was known
        sent = [*submitters.one_at_a_time(2).sent, *submitters.together(4, 2).sent]
        submitters.close()

    assembly = Assembly({service: moments.read(spans, service) for service, _ in PATH})
    traces = [assembly.trace(one) for one in sent]
    assert [unfollowed_steps(trace) for trace in traces if trace is not None] == [[]] * len(sent)
    written = "".join(path.read_text() for path in spans.iterdir())
    assert len(written) > 10_000
    assert [word for word in NEVER_RECORDED if word in written] == []


def unfollowed_steps(trace: Trace) -> list[str]:
    """Steps that had to be joined since a moment between them is marked no more."""
    return [step.name for step in trace.path if " + " in step.name and not step.name.startswith(TRIED)]
