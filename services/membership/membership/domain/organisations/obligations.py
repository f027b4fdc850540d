"""What the class of a membership obliges to."""

import dataclasses
import datetime
from collections.abc import Mapping

from dateutil.relativedelta import relativedelta

OBLIGATIONS = "obligations"
"""Kind and id under which they are published: there is one list, in versions."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemberClass:
    """A class of membership: `full` or `associate`."""

    code: str
    name: str
    group: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassRule:
    """What a membership class obliges to; `certification_due_years` is None where no certification is due."""

    code: str
    must_be_certified: bool
    certification_due_years: int | None

    def first_certification_due_on(self, joined_on: datetime.date) -> datetime.date | None:
        """The day by which a member that joined then must hold its first certificate; None where none is due."""
        if self.certification_due_years is None:
            return None
        return joined_on + relativedelta(years=self.certification_due_years)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Obligations:
    """The rules of all classes, by code, as one version of them was published."""

    version: int
    hash: str
    rules: Mapping[str, ClassRule]
