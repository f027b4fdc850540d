"""Mandates: the Secretariat orders that a rule set decides, and ends such an order."""

import uuid
from typing import Any

from certification.domain.audits import standard_name
from certification.domain.mandates import Mandate
from certification.domain.rules.rule_set import DECISION_TABLE
from certification.presenters import mandates as present
from certification.schemas.mandates import EndMandate, SignMandate
from certification.storage.jobs import Jobs
from certification.storage.mandates import Mandates
from certification.storage.rule_sets import RuleSets
from touchstone_chassis.api import Stored, command
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import AlreadyExists, FieldError, InvalidRequest, NotFound
from touchstone_contracts.field_errors import counted
from touchstone_contracts.roles import SECRETARIAT


class MandateEntrypoints:
    clock: Any
    mandates = Stored(Mandates)
    rule_sets = Stored(RuleSets)
    jobs = Stored(Jobs)

    @command(SignMandate(), roles=(SECRETARIAT,))
    def sign_mandate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The caller orders that a rule set decides on the named standards while the mandate is valid.

        Undecided cases that it covers are decided soon after. Errors: invalid_request, already_exists.
        """
        if self.rule_sets.get(DECISION_TABLE, request["rule_set"]) is None:
            unknown = FieldError("rule_set", "unknown_choice", f"There is no rule set {request['rule_set']}.")
            raise InvalidRequest(counted(1, "the request"), [unknown])
        now = self.clock.now()
        mandate = Mandate(
            id=request["mandate_id"] or f"mandate-{uuid.uuid4().hex}",
            rule_set=request["rule_set"],
            standards=tuple(dict.fromkeys(standard_name(standard) for standard in request["standards"])),
            valid_from=request["valid_from"],
            valid_until=request["valid_until"],
            signed_by=caller.subject,
            signed_at=now,
        )
        if self.mandates.get(mandate.id) is not None:
            raise AlreadyExists(f"There is a mandate {mandate.id} already.")
        self.mandates.save(mandate)
        self.jobs.wake_for(mandate, now=now)
        return present.mandate(mandate)

    @command(EndMandate(), roles=(SECRETARIAT,))
    def end_mandate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """From now on the mandate decides nothing; what it has decided stays. Undecided cases wait for a person or
        another mandate. Errors: not_found, illegal_transition where it was ended already or is over.
        """
        mandate = self.mandates.get(request["mandate_id"])
        if mandate is None:
            raise NotFound(f"There is no mandate {request['mandate_id']}.")
        ended = mandate.end(by=caller.subject, reason=request["reason"], at=self.clock.now())
        self.mandates.save(ended)
        return present.mandate(ended)
