"""What the acceptance of a report relies on: it is pinned in what is announced of it."""

import dataclasses
from collections.abc import Mapping

from assessment.domain.accreditation import Auditor, Body
from assessment.domain.register import Register
from assessment.domain.standards import StandardVersion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reliance:
    """The standard, the body, the auditors of the team by id, and what the register says of whom and what is named."""

    standard: StandardVersion
    body: Body
    team: Mapping[str, Auditor]
    register: Register

    @property
    def team_logins(self) -> frozenset[str]:
        """By which names people of the team call."""
        return frozenset(login for auditor in self.team.values() for login in auditor.logins)
