"""What auditors may recommend, by kind of audit and by what they found."""

import dataclasses

from touchstone_contracts.values import AuditType


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittingRecommendation:
    """One recommendation and where it fits: kinds of audit, and from how many to how many breaches and majors.

    An upper bound of None leaves the number open. `either` asks for at least one of the two.
    """

    recommendation: str
    audit_types: frozenset[AuditType]
    critical_breaches_max: int | None
    majors_min: int
    majors_max: int | None
    either: bool

    def fits(self, audit_type: AuditType, critical_breaches: int, majors: int) -> bool:
        return (
            audit_type in self.audit_types
            and (self.critical_breaches_max is None or critical_breaches <= self.critical_breaches_max)
            and self.majors_min <= majors
            and (self.majors_max is None or majors <= self.majors_max)
            and (not self.either or critical_breaches + majors > 0)
        )
