"""What the checks of a report look at beside the report itself."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence

from assessment.domain.accreditation import Auditor, Body
from assessment.domain.recommendations import FittingRecommendation
from assessment.domain.register import Register
from assessment.domain.standards import StandardVersion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What assessment knows about a report's surroundings.

    `standard` and `body` are None where the report names none that is known; `auditors` holds those of the team that
    are. `submitting_body` is the body that the caller speaks for, None when the registrar imports. `today` is the day
    on which the report is handed in, of an import that of issue; `audited_by` is the last day on which the audit can
    have ended, as a day of its site. `recommendations`: which fit which audits. `register` is what membership says of
    whom and what the report names; `all_told`: whether what is not in it is not in membership either.
    """

    standard: StandardVersion | None
    body: Body | None
    auditors: Mapping[str, Auditor]
    submitting_body: str | None
    today: datetime.date
    audited_by: datetime.date
    recommendations: Sequence[FittingRecommendation]
    register: Register
    all_told: bool
