"""The life of a certificate by audits: reports that follow an example's certificate, each changing it in its way."""

from collections.abc import Iterator
from typing import Any

from touchstone_devkit.demo.worlds import World

MAJOR = {"rating": "major_nonconformity", "comment": "Invented for a test.", "plan": {"state": "approved"}}
BREACH = {"rating": "critical_breach", "comment": "Invented for a test.", "plan": {"state": "none"}}
STEPS = [
    ("surveillance", "maintain", [], "certificate_maintained", "valid"),
    ("surveillance", "certify_provisionally", [MAJOR], "certificate_downgraded", "valid"),
    ("provisional_followup", "certify", [], "certificate_upgraded", "valid"),
    ("scope_change", "certify", [], "certificate_scope_amended", "valid"),
    ("recertification", "certify", [], "certificate_renewed", "valid"),
    ("surveillance", "suspend", [BREACH], "certificate_suspended", "suspended"),
    ("surveillance", "withdraw", [MAJOR] * 4, "certificate_withdrawn", "withdrawn"),
]
"""Kind of audit, recommendation, what was found; then the event that tells what came of it, and the status after it."""


def life(world: World) -> Iterator[tuple[dict[str, Any], str, str]]:
    """For each step the report to hand in and accept, the event that it leads to, and the certificate's status then."""
    for number, (kind, recommendation, found, event, status) in enumerate(STEPS):
        given = {"audit_type": kind, "recommendation": recommendation}
        report = world.conforming(report_id=f"{world.case.report['report_id']}-{number}", **given)
        rated = [finding for finding in report["findings"] if finding["rating"] == "conformance"]
        for finding, worse in zip(rated, found, strict=False):
            finding |= worse
        yield report, event, status
