"""Notice rules: which events people are told of, and to whom."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from touchstone_contracts.values import Party, PartyKind

NAMED_BY = {PartyKind.MEMBER: "member_id", PartyKind.BODY: "body_id"}
"""The attribute of an event that names the party of a kind; there is one Secretariat."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoticeRule:
    """An event, by its name without a version, is told to these parties, by this template.

    `about` says in words what they are told of. `once`: it happens once for each audit, so that two notices of such
    events to one person say the same thing twice.
    """

    event: str
    audience: tuple[PartyKind, ...]
    template: str
    about: str
    once: bool

    @property
    def type(self) -> str:
        """What notices of it are called: the event's name without its service's."""
        return self.event.partition(".")[2]

    def parties(self, facts: Mapping[str, Any]) -> tuple[Party, ...]:
        """Who is told of an event that says this."""
        ids = [facts[NAMED_BY[kind]] if kind in NAMED_BY else kind.value for kind in self.audience]
        return tuple(Party(kind=kind, id=id) for kind, id in zip(self.audience, ids, strict=True))
