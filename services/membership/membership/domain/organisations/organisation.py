"""An organisation and its membership: what may change, and what is announced when it does."""

import dataclasses
import datetime
import enum
from typing import Any, Self

from membership.domain.organisations.obligations import Obligations
from touchstone_contracts.errors import FieldError, IllegalTransition, InvalidRequest
from touchstone_contracts.events.membership import (
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    OrganisationRecorded,
    OrganisationRegistered,
)


class State(enum.Enum):
    """Where a membership stands. Only an active member is in good standing."""

    REGISTERED = "registered"
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One row of an organisation's history: which state it entered, when (UTC), by whom and why."""

    state: State
    at: datetime.datetime
    by: str
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass(kw_only=True)
class Organisation:
    """A member, or an organisation on its way to become one.

    `obligations_hash` is that of the obligations by which it was activated; 0.1 kept none.
    """

    id: str
    legal_name: str
    member_class: str
    country: str
    state: State = State.REGISTERED
    joined_on: datetime.date | None = None
    first_certification_due_on: datetime.date | None = None
    suspension_reasons: tuple[str, ...] = ()
    history: tuple[Change, ...] = ()
    obligations_hash: str | None = None
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
        self, *, joined_on: datetime.date | None, obligations: Obligations | None, at: datetime.datetime, by: str
    ) -> list[Any]:
        """Make it a member in good standing from `joined_on`, which may be past but not to come; today if None.

        `obligations` are those that are effective on that day. Raises IllegalTransition unless it was registered only,
        InvalidRequest for a day to come, and for one on which none are effective.
        """
        self._require(State.REGISTERED, "activated")
        day = joined_on or at.date()
        if day > at.date():
            raise InvalidRequest(
                "A membership cannot begin in the future.",
                [FieldError("joined_on", "in_the_future", f"{day} is later than today, {at.date()}.")],
            )
        if obligations is None:
            raise InvalidRequest(
                "It is not known what a membership obliged to on that day.",
                [FieldError("joined_on", "no_obligations", f"No obligations are effective on {day}.")],
            )
        self.joined_on = day
        self.obligations_hash = obligations.hash
        self.first_certification_due_on = obligations.rules[self.member_class].first_certification_due_on(day)
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

    def recorded(self) -> OrganisationRecorded:
        """It and its membership as they are now. Who changed it is told to nobody."""
        return OrganisationRecorded(
            member_id=self.id,
            legal_name=self.legal_name,
            member_class=self.member_class,
            country=self.country,
            state=self.state.value,
            effective_on=self._effective_on(),
            reasons=list(self.suspension_reasons),
            joined_on=self.joined_on,
            first_certification_due_on=self.first_certification_due_on,
        )

    def _effective_on(self) -> datetime.date:
        """From which day it is in its state. Only of its first activation that is not the day when it was recorded."""
        activations = sum(change.state is State.ACTIVE for change in self.history)
        if self.state is State.ACTIVE and activations == 1 and self.joined_on is not None:
            return self.joined_on
        return self.history[-1].at.date()

    def _require(self, state: State, participle: str) -> None:
        if self.state is not state:
            message = f"{self.id} is {self.state.value}; only one that is {state.value} can be {participle}."
            raise IllegalTransition(message, [FieldError("member_id", "illegal_transition", message)])

    def _enter(self, state: State, *, at: datetime.datetime, by: str, reasons: tuple[str, ...] = ()) -> None:
        self.state = state
        self.history += (Change(state=state, at=at, by=by, reasons=reasons),)
