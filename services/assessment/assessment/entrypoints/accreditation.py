"""The methods for bodies and auditors."""

from typing import Any

from assessment.application.accredit import accredit_body, register_auditor
from assessment.data.catalogue import Catalogue
from assessment.presenters import accreditation as present
from assessment.schemas.accreditation import AccreditBody, GetBody, ListAuditors, RegisterAuditor
from assessment.storage.accreditation import Auditors, Bodies
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import NotFound
from touchstone_contracts.roles import ASSESSOR, REGISTRAR, SECRETARIAT

_ACCREDITING = (SECRETARIAT, REGISTRAR)


class AccreditationEntrypoints:
    """Who may audit against which standard, where and when."""

    clock: Any
    standards: Any
    catalogue_cache: Any
    bodies = Stored(Bodies)
    auditors = Stored(Auditors)

    @command(AccreditBody(), roles=_ACCREDITING)
    def accredit_body(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Accredit a certification body, or change its scope from the new grant's first day on."""
        return present.body(accredit_body(request, self._catalogue(), self.bodies))

    @command(RegisterAuditor(), roles=_ACCREDITING)
    def register_auditor(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Register an auditor of one or more bodies, or change the scope from the new grant's first day on."""
        return present.auditor(register_auditor(request, self._catalogue(), self.bodies, self.auditors))

    @query(GetBody(), roles=(*_ACCREDITING, ASSESSOR))
    def get_body(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A certification body and what it is accredited for; an assessor's own only. Errors: not_found."""
        body = self.bodies.get(request["body_id"])
        if body is None or not _may_see(caller, body.id):
            raise NotFound(f"There is no body {request['body_id']!r} that you may see.")
        return present.body(body)

    @query(ListAuditors(), roles=(*_ACCREDITING, ASSESSOR))
    def list_auditors(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Auditors who work or worked for a body, by id; an assessor's own body only."""
        if not _may_see(caller, request["body_id"]):
            raise NotFound(f"There is no body {request['body_id']!r} that you may see.")
        limit = request["limit"]
        found = self.auditors.of_body(request["body_id"], limit=limit + 1, after=request["after"])
        return page(found, limit, present.auditor)

    def _catalogue(self) -> Catalogue:
        catalogue: Catalogue = self.standards.catalogue(self.clock.now().date(), self.catalogue_cache)
        return catalogue


def _may_see(caller: Caller, body_id: str) -> bool:
    return caller.role != ASSESSOR or caller.cab == body_id
