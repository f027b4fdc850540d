"""Who has to act on a report that is not accepted."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from assessment.data.catalogue import load_catalogue
from assessment.domain.audits.audit import Audit
from assessment.domain.audits.report import summarise
from assessment.presenters.pending_work import pending_work_of
from assessment.schemas.report_parsing import parse_report

FIRST = datetime.datetime(2026, 11, 2, 9, tzinfo=datetime.UTC)
LATER = FIRST + datetime.timedelta(days=3)


@pytest.fixture
def submitted(a_report: Callable[..., dict[str, Any]]) -> Audit:
    standard = load_catalogue().find("PS", "3.0")
    assert standard is not None
    summary = summarise(parse_report(a_report()).content, standard)
    audit = Audit(id="dnv.r-1", summary=summary)
    audit.submit(summary, "sha256:1", by="dnv-reports", at=FIRST)
    return audit


def test_a_submitted_report_waits_for_the_secretariat(submitted: Audit) -> None:
    found = pending_work_of(submitted)

    assert (found.case, found.who, found.since) == ("dnv.r-1", "Secretariat", FIRST)
    assert found.waits_for == "the Secretariat's review of the report: accept or return it"


def test_a_returned_report_waits_for_its_body_since_it_was_returned(submitted: Audit) -> None:
    submitted.return_to_body(("Evidence for 5.2 is missing.",), by="secretariat-1", at=LATER)

    found = pending_work_of(submitted)

    assert (found.who, found.since) == (f"body {submitted.summary.body_id}", LATER)
    assert found.reasons == ("Evidence for 5.2 is missing.",)
