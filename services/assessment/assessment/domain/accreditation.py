"""Certification bodies and auditors, and what each was accredited for on a given day."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from touchstone_contracts.events.assessment import BodyAccredited

EVERYWHERE = "*"
_ONE_DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grant:
    """An accreditation: standards x countries x activities, from its first to its last day, both included.

    `countries` may hold `*` for all. An auditor's grant also names the bodies that the auditor works for.
    """

    standards: tuple[str, ...]
    countries: tuple[str, ...]
    activities: tuple[str, ...]
    valid_from: datetime.date
    valid_until: datetime.date
    body_ids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Need:
    """What an audit asks of whoever carries it out, on each day; `body_id` is None when a body itself is asked."""

    standard: str | None
    countries: frozenset[str]
    activities: frozenset[str]
    first: datetime.date
    last: datetime.date
    body_id: str | None = None


@dataclasses.dataclass
class Body:
    """A certification body. Grants are kept: yesterday's audit is judged by yesterday's accreditation."""

    id: str
    name: str
    grants: tuple[Grant, ...] = ()
    version: int = 0

    def accredit(self, name: str, grant: Grant) -> list[Any]:
        """Add a grant, which replaces earlier ones from its first day on. The same again changes nothing."""
        grants = with_grant(self.grants, grant)
        if (name, grants) == (self.name, self.grants):
            return []
        self.name, self.grants = name, grants
        return [
            BodyAccredited(
                body_id=self.id,
                name=name,
                standards=list(grant.standards),
                countries=list(grant.countries),
                activities=list(grant.activities),
                valid_from=grant.valid_from,
                valid_until=grant.valid_until,
            )
        ]


@dataclasses.dataclass
class Auditor:
    """A person on audit teams. Nobody outside assessment needs to hear of a change, so there is no event.

    `logins`: by which names (tokens' subjects) the person calls, beside the id.
    """

    id: str
    name: str
    grants: tuple[Grant, ...] = ()
    logins: tuple[str, ...] = ()
    version: int = 0

    def register(self, name: str, grant: Grant, logins: Sequence[str] | None = None) -> None:
        """Add a grant, which replaces earlier ones from its first day on. Without `logins` they stay as they are."""
        self.name, self.grants = name, with_grant(self.grants, grant)
        self.logins = self.logins if logins is None else tuple(logins)


def with_grant(grants: Iterable[Grant], grant: Grant) -> tuple[Grant, ...]:
    """The grants in order of their first day; one that began on the same day is corrected."""
    kept = [g for g in grants if g.valid_from != grant.valid_from]
    return tuple(sorted([*kept, grant], key=lambda g: g.valid_from))


def lacks(grants: Sequence[Grant], need: Need) -> list[str]:
    """What is missing on any day of the audit, each as a few words; empty when everything is covered."""
    missing: dict[str, None] = {}
    day = need.first
    for first, last, grant in _periods(grants):
        if last < day or first > need.last:
            continue
        if first > day:
            missing[f"any accreditation on {day}"] = None
        missing.update(dict.fromkeys(_uncovered(grant, need)))
        if last >= need.last:
            return list(missing)
        day = last + _ONE_DAY
    missing[f"any accreditation on {day}"] = None
    return list(missing)


def _periods(grants: Sequence[Grant]) -> Iterator[tuple[datetime.date, datetime.date, Grant]]:
    """Each grant with the days on which it is in force: until it ends, or the next one begins."""
    ordered = sorted(grants, key=lambda g: g.valid_from)
    for grant, following in zip(ordered, [*ordered[1:], None], strict=False):
        last = min(grant.valid_until, following.valid_from - _ONE_DAY) if following else grant.valid_until
        yield grant.valid_from, last, grant


def _uncovered(grant: Grant, need: Need) -> Iterator[str]:
    if need.standard is not None and need.standard not in grant.standards:
        yield f"standard {need.standard}"
    if need.body_id is not None and need.body_id not in grant.body_ids:
        yield f"body {need.body_id}"
    if EVERYWHERE not in grant.countries:
        yield from (f"country {c}" for c in sorted(need.countries - set(grant.countries)))
    yield from (f"activity {a}" for a in sorted(need.activities - set(grant.activities)))
