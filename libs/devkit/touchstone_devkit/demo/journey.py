"""Takes the example cases through the system, one after the other, and collects what becomes of each."""

import dataclasses
import functools
import threading
from collections.abc import Callable
from typing import Any

from touchstone_contracts.errors import InvalidReport
from touchstone_devkit.demo.cases import Case, addresses_to_tell
from touchstone_devkit.demo.outcome import Outcome
from touchstone_devkit.demo.register import REGISTRAR, SECRETARIAT, Register, assessor
from touchstone_devkit.demo.wire_tap import WireTap

CASE_TIMEOUT_S = 60.0
Story = dict[str, tuple[Case, Outcome]]


class Journey:
    """The demo's cases on their way. `story` holds each case and its outcome by the case's title."""

    def __init__(self, cases: list[Case], setup: dict[str, Any]) -> None:
        self.story: Story = {case.title: (case, _blank(case, setup)) for case in cases}
        self.setup = setup
        self._by_audit: dict[str, Outcome] = {}
        self._early: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.changed: Callable[[], None] = lambda: None

    def hear(self, message: dict[str, Any]) -> None:
        """Note an event. It may come before the answer that says which audit it is about."""
        with self._lock:
            if message["type"] == "membership.membership_activated.v1":
                for case, waiting in self.story.values():
                    waiting.member_known |= case.member_id == message["data"]["member_id"]
            outcome = self._by_audit.get(message["data"].get("audit_id") or "")
            if outcome is None:
                self._early.append(message)
            else:
                outcome.take(message)
        self.changed()

    def travel(self, register: Register, wire_tap: WireTap) -> None:
        """Each case to its end. Raises TimeoutError when one does not come to it."""
        for title, (case, outcome) in self.story.items():
            self._hand_in(register, case, outcome)
            self.changed()
            ended = functools.partial(getattr, outcome, "complete")
            wire_tap.wait_for(ended, timeout_s=CASE_TIMEOUT_S, what=f"the end of “{title}”")
            _look_up(register, outcome)

    def _hand_in(self, register: Register, case: Case, outcome: Outcome) -> None:
        if case.via == "import":
            taken = register.call(REGISTRAR, "assessment.import_audit_report", report=case.report, history=case.history)
            self._follow(taken["audit_id"], outcome)
            return
        try:
            taken = register.call(assessor(case.body_id), "assessment.submit_audit_report", report=case.report)
        except InvalidReport as refusal:
            outcome.problems = [dataclasses.asdict(error) for error in refusal.errors]
            return
        self._follow(taken["audit_id"], outcome)
        register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=taken["audit_id"])

    def _follow(self, audit_id: str, outcome: Outcome) -> None:
        with self._lock:
            outcome.audit_id = audit_id
            self._by_audit[audit_id] = outcome
            for message in self._early:
                if message["data"].get("audit_id") == audit_id:
                    outcome.take(message)


def _blank(case: Case, setup: dict[str, Any]) -> Outcome:
    people = addresses_to_tell(setup, case) if case.outcome != "not_submitted" else {}
    return Outcome(expected_notices=sum(people.values()))


def _look_up(register: Register, outcome: Outcome) -> None:
    """What the register says of the certificate, and by which rules the case was decided."""
    decision = outcome.decision
    if decision is None:
        return
    if decision["outcome"] == "issued":
        outcome.certificate = register.call(None, "certification.get_certificate", number=decision["number"])
    outcome.case = register.call(SECRETARIAT, "certification.get_case", case_id=outcome.audit_id)
