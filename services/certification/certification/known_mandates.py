"""The mandates that this process has read: one never changes and cannot be revoked, so none of them grows stale."""

import datetime
from collections.abc import Sequence

from certification.domain.audit import Audit, standard_name
from certification.domain.mandates import Mandate, authority_for


class KnownMandates:
    """What was read last of the mandates for a standard and a rule set, in one database.

    Whether a mandate is in force is asked anew each time. That others were signed since can only matter where those
    that are known give no authority: a later one is never named while an older one fits.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, int], tuple[Mandate, ...]] = {}

    def giving_authority(self, audit: Audit, *, rule_set: int, day: datetime.date) -> tuple[Mandate, ...]:
        """Those for such audits, if one of them gives authority over this one on that day; else none: look."""
        known = self._read.get((standard_name(audit.standard), rule_set), ())
        return known if authority_for(audit, rule_set=rule_set, day=day, mandates=known) is not None else ()

    def remember(self, audit: Audit, rule_set: int, read: Sequence[Mandate]) -> None:
        """Keep what was read for audits like this one. Nothing read is nothing to remember: one may be signed."""
        if read:
            self._read[standard_name(audit.standard), rule_set] = tuple(read)
