"""The status timeline of a certificate: what it was, is and will be on each day. Computed here and nowhere else."""

import datetime
from collections.abc import Sequence

from certification.domain.certificates.record import CertificateRecord
from touchstone_contracts.registry import value
from touchstone_contracts.values import CertificateState, Level, StatusPeriod

_DAY = datetime.timedelta(days=1)
IN_FORCE = {Level.FULL: CertificateState.VALID, Level.PROVISIONAL: CertificateState.PROVISIONAL}


@value
class Step:
    """From day `since` on it is in `state`, and why: the word that `StatusPeriod` gives as its cause."""

    since: datetime.date
    state: CertificateState
    cause: str


def first_step(record: CertificateRecord) -> Step:
    return Step(since=record.issued_on, state=IN_FORCE[record.level], cause="issued")


def followed_by(steps: Sequence[Step], step: Step) -> tuple[Step, ...]:
    """The steps up to this one: what began on its day or later gives way to it."""
    return (*(earlier for earlier in steps if earlier.since < step.since), step)


def timeline(steps: Sequence[Step], expires_on: datetime.date) -> list[StatusPeriod]:
    """From first to last; each day is in exactly one period. Both days of a period are included."""
    first, last = steps[0], steps[-1]
    final = last.state is CertificateState.WITHDRAWN
    ends = [later.since - _DAY for later in steps[1:]] + [None if final else max(expires_on, last.since)]
    periods = [StatusPeriod(until=first.since - _DAY, state=CertificateState.NOT_YET_ISSUED)]
    for step, until in zip(steps, ends, strict=True):
        periods.append(StatusPeriod(since=step.since, until=until, state=step.state, cause=step.cause))
    if not final:
        since = max(expires_on, last.since) + _DAY
        periods.append(StatusPeriod(since=since, state=CertificateState.EXPIRED, cause="end_date_reached"))
    return periods


def state_on(periods: Sequence[StatusPeriod], day: datetime.date) -> CertificateState:
    """What the certificate is on that day."""
    return next(period.state for period in periods if period.until is None or day <= period.until)
