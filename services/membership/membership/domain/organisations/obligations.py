"""What the class of a membership obliges to."""

import dataclasses
import datetime

from dateutil.relativedelta import relativedelta


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassRule:
    """What a membership class obliges to; `certification_due_years` is None where no certification is due."""

    code: str
    name: str
    group: str
    must_be_certified: bool
    certification_due_years: int | None

    def first_certification_due_on(self, joined_on: datetime.date) -> datetime.date | None:
        """The day by which a member that joined then must hold its first certificate; None where none is due."""
        if self.certification_due_years is None:
            return None
        return joined_on + relativedelta(years=self.certification_due_years)
