"""Who decides: a person, the Secretariat's signed mandate to a rule set, or the registrar's import."""

import dataclasses
import datetime
import enum
from collections.abc import Iterable

from certification.domain.audits import Audit, standard_name, took_part
from touchstone_contracts.errors import IllegalTransition


class Decider(enum.Enum):
    PERSON = "person"
    MANDATE = "mandate"
    IMPORT = "import"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mandate:
    """The Secretariat's order that a rule set decides on the named standards while the mandate is valid.

    `standards` are names such as `PS 3.0`; the days are inclusive. One that was ended, by whom and why, decides nothing
    from that moment on; what it has decided stays.
    """

    id: str
    rule_set: int
    standards: tuple[str, ...]
    valid_from: datetime.date
    valid_until: datetime.date
    signed_by: str
    signed_at: datetime.datetime
    ended_at: datetime.datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None
    version: int = 0

    def end(self, *, by: str, reason: str, at: datetime.datetime) -> "Mandate":
        """The mandate as it is then. Raises IllegalTransition for one that decides nothing any more."""
        if self.ended_at is not None:
            raise IllegalTransition(f"{self.id} was ended by {self.ended_by} already.")
        if self.valid_until < at.date():
            raise IllegalTransition(f"{self.id} was valid until {self.valid_until}: there is nothing to end.")
        return dataclasses.replace(self, ended_at=at, ended_by=by, end_reason=reason)

    def lasts_beyond(self, day: datetime.date) -> bool:
        """Whether it is in force on that day, or may come into force later."""
        return self.ended_at is None and day <= self.valid_until

    def covers(self, audit: Audit, *, rule_set: int, day: datetime.date) -> bool:
        in_time = self.valid_from <= day and self.lasts_beyond(day)
        return in_time and self.rule_set == rule_set and standard_name(audit.standard) in self.standards


@dataclasses.dataclass(frozen=True, kw_only=True)
class Authority:
    """Who decides a case: `name` as published, `id` of the person or mandate behind it."""

    kind: Decider
    id: str
    name: str


def authority_for(
    audit: Audit, *, rule_set: int, day: datetime.date, mandates: Iterable[Mandate], person: str | None = None
) -> Authority | None:
    """Who may decide this audit on this day, or None when it has to wait for a person.

    A mandate signed by somebody who took part in the audit gives no authority over it (ISO/IEC 17065 7.6).
    The oldest mandate that fits is named. Whether the `person` is impartial is the caller's check.
    """
    if audit.history is not None:
        return Authority(kind=Decider.IMPORT, id=audit.submitted_by, name=f"import by registrar, rule set {rule_set}")
    if person is not None:
        return Authority(kind=Decider.PERSON, id=person, name=person)
    fitting = [m for m in mandates if m.covers(audit, rule_set=rule_set, day=day) and not took_part(audit, m.signed_by)]
    if not fitting:
        return None
    mandate = min(fitting, key=lambda m: (m.signed_at, m.id))
    return Authority(kind=Decider.MANDATE, id=mandate.id, name=f"rule set {rule_set}, mandated by {mandate.signed_by}")


def next_in_force(mandates: Iterable[Mandate], day: datetime.date) -> Mandate | None:
    """The first of these that is to come into force after that day."""
    coming = (mandate for mandate in mandates if mandate.valid_from > day)
    return min(coming, key=lambda mandate: mandate.valid_from, default=None)
