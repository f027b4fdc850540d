"""What is said of a case and was not signed by who may say it: parked, no part of the way, and a warning."""

from collections.abc import Iterator

from touchstone.cases.history import moment
from touchstone.cases.timeline import Step
from touchstone.events.words import words_for
from touchstone.rpc.fan_out import FanOut
from touchstone_contracts.services import SERVICES

NOT_SIGNED = {"forged": "forged, no word of", "unsigned": "not signed by"}
"""By the reason for which it is parked, in words before its producer."""


def forgeries(services: FanOut, case: str) -> Iterator[Step]:
    """A line for each message about the audit `case` that nobody has discarded yet."""
    for service in SERVICES:
        found = services.ask(service, "list_hindrances")
        for letter in found["parked"] if found else ():
            if letter["reason"] in NOT_SIGNED and letter["facts"].get("audit_id") == case:
                type_name = letter["event_type"] or ""
                whose = f"{NOT_SIGNED[letter['reason']]} {type_name.partition('.')[0] or 'anybody'}"
                said = words_for(type_name, letter["facts"])
                text = f"{whose}: {said!r}. Nothing came of it: dead letter {letter['id']}"
                at = moment(letter["parked_at"])
                yield Step(kind="parked", depth=0, service=service, text=text, at=at, event_id=letter["event_id"])
