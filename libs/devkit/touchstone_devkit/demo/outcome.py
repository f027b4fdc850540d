"""What became of one case, as far as its events have told."""

import dataclasses
import datetime
from typing import Any

DECISIONS = {
    "certification.certificate_issued.v1": "issued",
    "certification.certification_refused.v1": "refused",
    "certification.certification_held.v1": "held",
    **{
        f"certification.certificate_{change}.v1": change
        for change in ("maintained", "upgraded", "downgraded", "suspended", "withdrawn", "renewed", "scope_amended")
    },
}


@dataclasses.dataclass
class Outcome:
    """The story of one case: collected from events, except `problems` (the answer to a refused submission)."""

    expected_notices: int
    audit_id: str | None = None
    member_known: bool = False
    problems: list[dict[str, Any]] | None = None
    submitted: bool = False
    accepted_at: datetime.datetime | None = None  # as announced: that of an import lies in the past
    decisions: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    notices: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    certificate: dict[str, Any] | None = None
    case: dict[str, Any] | None = None

    def take(self, message: dict[str, Any]) -> None:
        """Note an event that is about this case. The same event again changes nothing."""
        data, kind = message["data"], message["type"]
        if kind == "assessment.audit_report_submitted.v1":
            self.submitted = True
        elif kind == "assessment.audit_accepted.v1":
            self.submitted, self.accepted_at = True, datetime.datetime.fromisoformat(message["time"])
        elif kind in DECISIONS and message["id"] not in {d["event_id"] for d in self.decisions}:
            self.decisions.append({**data, "event_id": message["id"], "outcome": DECISIONS[kind]})
        elif kind == "notification.notice_sent.v1":
            self.notices[data["notice_id"]] = datetime.datetime.fromisoformat(data["sent_at"])

    @property
    def decision(self) -> dict[str, Any] | None:
        return self.decisions[0] if self.decisions else None

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come: every notice is sent, or the report was not taken."""
        return self.problems is not None or (bool(self.decisions) and len(self.notices) >= self.expected_notices)

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds from acceptance to the last notice; None before that."""
        if self.accepted_at is None or not self.complete:
            return None
        return (max(self.notices.values(), default=self.accepted_at) - self.accepted_at).total_seconds() * 1000

    def stages(self) -> dict[str, str]:
        """A word for each service that a case goes through: what it has done so far."""
        member = "known" if self.member_known else ""
        if self.problems is not None:
            return _stages(member, f"not taken: {len(self.problems)} errors")
        assessment = "accepted" if self.accepted_at else "submitted" if self.submitted else ""
        told = f"{len(self.notices)} of {self.expected_notices} sent" if self.decisions else ""
        return _stages(member, assessment, self._decided(), told)

    def _decided(self) -> str:
        if self.decision is None:
            return ""
        return self.decision["outcome"] + (f" {self.decision['number']}" if "number" in self.decision else "")


def _stages(membership: str, assessment: str, certification: str = "", notification: str = "") -> dict[str, str]:
    return {
        "membership": membership,
        "assessment": assessment,
        "certification": certification,
        "notification": notification,
    }
