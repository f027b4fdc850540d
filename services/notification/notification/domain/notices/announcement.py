"""Announcements: events that people are told of."""

import dataclasses
import datetime
from typing import Any

from notification.domain.recipients.contact import Arrival
from touchstone_contracts.values import Party


@dataclasses.dataclass(kw_only=True)
class Announcement:
    """An event that stakeholders are told of (unless `announced` is False), with what a notice needs to say it.

    `nobody_until` names the parties that nobody could be told for when it happened, and who came along first for each
    (None while nobody has).
    """

    id: str
    type: str
    at: datetime.datetime
    announced: bool
    parties: tuple[Party, ...]
    audit_id: str | None
    certificate_number: int | None
    facts: dict[str, Any]
    nobody_until: dict[Party, Arrival | None] = dataclasses.field(default_factory=dict)
    version: int = 0
