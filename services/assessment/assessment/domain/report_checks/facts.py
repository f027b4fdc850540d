"""What the checks of a report look at beside the report itself."""

import dataclasses
import datetime
from collections.abc import Mapping

from assessment.domain.accreditation import Auditor, Body
from assessment.domain.standards import StandardVersion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What assessment knows about a report's surroundings.

    `standard` and `body` are None where the report names none that is known; `auditors` holds those of the team that
    are. `submitting_body` is the body that the caller speaks for, None when the registrar imports. `judged_on` is the
    day on which the standard must be open, None while it cannot be told; `audited_by` is the last day on which the
    audit can have ended.
    """

    standard: StandardVersion | None
    body: Body | None
    auditors: Mapping[str, Auditor]
    submitting_body: str | None
    judged_on: datetime.date | None
    audited_by: datetime.date
