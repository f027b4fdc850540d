"""The methods for bodies and auditors."""

from typing import Any

from assessment.application.accredit import accredit_body, register_auditor
from assessment.data.catalogue import Catalogue
from assessment.presenters import accreditation as present
from assessment.schemas.accreditation import AccreditBody, RegisterAuditor
from assessment.storage.accreditation import Auditors, Bodies
from touchstone_chassis.api import Stored, command
from touchstone_contracts.callers import Caller
from touchstone_contracts.roles import REGISTRAR, SECRETARIAT

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

    def _catalogue(self) -> Catalogue:
        catalogue: Catalogue = self.standards.catalogue(self.clock.now().date(), self.catalogue_cache)
        return catalogue
