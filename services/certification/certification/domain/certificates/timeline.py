"""The status timeline of a certificate: what it was, is and will be on each day. Computed here and nowhere else."""

import datetime
from collections.abc import Sequence

from certification.domain.certificates.record import CertificateRecord
from touchstone_contracts.values import CertificateState, Level, StatusPeriod

_DAY = datetime.timedelta(days=1)
_IN_FORCE = {Level.FULL: CertificateState.VALID, Level.PROVISIONAL: CertificateState.PROVISIONAL}


def timeline(record: CertificateRecord) -> list[StatusPeriod]:
    """From first to last; each day is in exactly one period. Both days of a period are included."""
    issued_on, expires_on = record.issued_on, record.expires_on
    return [
        StatusPeriod(until=issued_on - _DAY, state=CertificateState.NOT_YET_ISSUED),
        StatusPeriod(since=issued_on, until=expires_on, state=_IN_FORCE[record.level], cause="issued"),
        StatusPeriod(since=expires_on + _DAY, state=CertificateState.EXPIRED, cause="end_date_reached"),
    ]


def state_on(periods: Sequence[StatusPeriod], day: datetime.date) -> CertificateState:
    """What the certificate is on that day."""
    return next(period.state for period in periods if period.until is None or day <= period.until)
