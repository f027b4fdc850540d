"""Translates what other services announce into notification's own words; pure."""

from typing import Any

from notification.data.notice_rules import RULES
from notification.domain.notices.announcement import Announcement
from notification.domain.recipients.contact import Contact, ReachabilityChange
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.membership import ContactChanged


def contact_of(event: ContactChanged, envelope: Envelope) -> Contact:
    """The contact as this one change tells of it."""
    told = Contact(
        id=event.contact_id,
        party=event.party,
        name=event.name,
        address=event.address,
        language=event.language,
        channels=tuple(event.channels),
        active=event.active,
        sequence=envelope.sequence,
    )
    told.changes = (ReachabilityChange(sequence=envelope.sequence, at=envelope.time, reachable=told.reachable),)
    return told


def announcement_of(event: Any, envelope: Envelope) -> Announcement:
    """What is to be told of an event, and to which parties, by its notice rule."""
    facts: dict[str, Any] = type(event).schema.dump(event)
    rule = RULES[type(event).local_name]
    return Announcement(
        id=envelope.id,
        type=rule.type,
        at=envelope.time,
        announced=facts.get("notify", True),
        parties=rule.parties(facts),
        audit_id=facts.get("audit_id"),
        certificate_number=facts.get("number"),
        facts=facts,
    )
