"""Organisations, entities, facilities and contacts: what may change, and what is announced when it does."""

import dataclasses
import datetime
import enum
from typing import Any, Self

from dateutil.relativedelta import relativedelta

from touchstone_contracts.errors import AlreadyExists, FieldError, IllegalTransition, InvalidRequest
from touchstone_contracts.events.membership import (
    ContactChanged,
    EntityRegistered,
    FacilityRegistered,
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    OrganisationRegistered,
)
from touchstone_contracts.values import Party


class State(enum.Enum):
    """Where a membership stands. Only an active member is in good standing."""

    REGISTERED = "registered"
    ACTIVE = "active"
    SUSPENDED = "suspended"


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One row of an organisation's history: which state it entered, when (UTC), by whom and why."""

    state: State
    at: datetime.datetime
    by: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(kw_only=True)
class Organisation:
    """A member, or an organisation on its way to become one."""

    id: str
    legal_name: str
    member_class: str
    country: str
    state: State = State.REGISTERED
    joined_on: datetime.date | None = None
    first_certification_due_on: datetime.date | None = None
    suspension_reasons: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()
    version: int = 0

    @classmethod
    def register(
        cls, id: str, *, legal_name: str, member_class: str, country: str, at: datetime.datetime, by: str
    ) -> tuple[Self, list[Any]]:
        """A new organisation that is not yet a member in good standing."""
        organisation = cls(id=id, legal_name=legal_name, member_class=member_class, country=country)
        organisation._enter(State.REGISTERED, at=at, by=by)
        announced = OrganisationRegistered(
            member_id=id, legal_name=legal_name, member_class=member_class, country=country
        )
        return organisation, [announced]

    def activate(
        self, *, joined_on: datetime.date | None, rule: ClassRule, at: datetime.datetime, by: str
    ) -> list[Any]:
        """Make it a member in good standing from `joined_on`, which may be past but not to come; today if None.

        Raises IllegalTransition unless it was registered only, InvalidRequest for a day to come.
        """
        self._require(State.REGISTERED, "activated")
        day = joined_on or at.date()
        if day > at.date():
            raise InvalidRequest(
                "A membership cannot begin in the future.",
                [FieldError("joined_on", "in_the_future", f"{day} is later than today, {at.date()}.")],
            )
        self.joined_on = day
        self.first_certification_due_on = rule.first_certification_due_on(day)
        self._enter(State.ACTIVE, at=at, by=by)
        return [
            MembershipActivated(
                member_id=self.id,
                legal_name=self.legal_name,
                member_class=self.member_class,
                country=self.country,
                joined_on=day,
                first_certification_due_on=self.first_certification_due_on,
            )
        ]

    def suspend(self, reasons: list[str], *, at: datetime.datetime, by: str) -> list[Any]:
        """Take its good standing away for the time being. Raises IllegalTransition, or InvalidRequest for no reason."""
        self._require(State.ACTIVE, "suspended")
        if not reasons:
            raise InvalidRequest(
                "A suspension needs a reason.", [FieldError("reasons", "required", "At least one reason is needed.")]
            )
        self.suspension_reasons = tuple(reasons)
        self._enter(State.SUSPENDED, at=at, by=by, reasons=tuple(reasons))
        return [MembershipSuspended(member_id=self.id, reasons=list(reasons), effective_on=at.date())]

    def reinstate(self, *, at: datetime.datetime, by: str) -> list[Any]:
        """Give a suspended member its good standing back. What was due stays due."""
        self._require(State.SUSPENDED, "reinstated")
        self.suspension_reasons = ()
        self._enter(State.ACTIVE, at=at, by=by)
        return [MembershipReinstated(member_id=self.id, effective_on=at.date())]

    def _require(self, state: State, participle: str) -> None:
        if self.state is not state:
            message = f"{self.id} is {self.state.value}; only one that is {state.value} can be {participle}."
            raise IllegalTransition(message, [FieldError("member_id", "illegal_transition", message)])

    def _enter(self, state: State, *, at: datetime.datetime, by: str, reasons: tuple[str, ...] = ()) -> None:
        self.state = state
        self.history += (Change(state=state, at=at, by=by, reasons=reasons),)


@dataclasses.dataclass(kw_only=True)
class Entity:
    """A business unit of a member that seeks certification."""

    id: str
    member_id: str
    name: str
    country: str
    activities: tuple[str, ...]
    version: int = 0

    def announce(self) -> list[Any]:
        return [
            EntityRegistered(
                entity_id=self.id,
                member_id=self.member_id,
                name=self.name,
                country=self.country,
                activities=list(self.activities),
            )
        ]


@dataclasses.dataclass(kw_only=True)
class Facility:
    """A site of an entity."""

    id: str
    entity_id: str
    member_id: str
    name: str
    country: str
    activities: tuple[str, ...]
    version: int = 0

    def announce(self) -> list[Any]:
        return [
            FacilityRegistered(
                facility_id=self.id,
                entity_id=self.entity_id,
                member_id=self.member_id,
                name=self.name,
                country=self.country,
                activities=list(self.activities),
            )
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContactDetails:
    """How a person is reached, and what for."""

    name: str
    address: str
    roles: tuple[str, ...]
    language: str
    channels: tuple[str, ...]
    active: bool = True


@dataclasses.dataclass(kw_only=True)
class Contact:
    """A person who is told on behalf of one party; the party never changes."""

    id: str
    party: Party
    details: ContactDetails
    version: int = 0

    @classmethod
    def enter(cls, id: str, party: Party, details: ContactDetails) -> tuple[Self, list[Any]]:
        contact = cls(id=id, party=party, details=details)
        return contact, [contact.told()]

    def change(self, party: Party, details: ContactDetails) -> list[Any]:
        """Replace the details; nothing is announced when they are what they were.

        Raises AlreadyExists when the id stands for somebody of another party.
        """
        if party != self.party:
            raise AlreadyExists(
                f"The contact id {self.id} is taken.",
                [FieldError("contact_id", "already_exists", f"{self.id} stands for somebody of another party.")],
            )
        if details == self.details:
            return []
        self.details = details
        return [self.told()]

    def told(self) -> ContactChanged:
        return ContactChanged(
            contact_id=self.id,
            party=self.party,
            name=self.details.name,
            address=self.details.address,
            roles=list(self.details.roles),
            language=self.details.language,
            channels=list(self.details.channels),
            active=self.details.active,
        )


def masked(address: str) -> str:
    """The address as it may be shown: `p•••@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
