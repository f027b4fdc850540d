"""Carries out a command that came as a message, once, and answers by events: a repeat by those of the first time."""

import dataclasses
import datetime
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from touchstone_chassis.consuming.retry import let_go
from touchstone_chassis.handlers.execution import Execution
from touchstone_chassis.handlers.idempotency import Asked, digest
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.unit_of_work.announced import find_events
from touchstone_chassis.unit_of_work.outbox_rows import sent_again
from touchstone_chassis.unit_of_work.transaction import SURE_FOR, AlreadyProcessed, Clash, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.bookkeeping import INBOX, OUTBOX
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import AlreadyExists, IdempotencyConflict, Refusal

_NUMBER = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True)
class Message:
    """A command as it came, for the handler with this durable name. Its id is its sender's: another sender's, or that
    of somebody who proved nothing, is another message."""

    handler: str
    id: str
    body: dict[str, Any]
    came_before: bool = False
    """Whether this very message, and not only one like it, may have been handled: it was delivered or tried before."""

    @functools.cached_property
    def content(self) -> str:
        return digest({name: value for name, value in self.body.items() if name != "idempotency_key"})

    def asked(self, caller: Caller) -> Asked:
        id = f"{self.handler}/{digest([caller.identity, self.id])}"
        former_id = f"{self.handler}/{caller.subject}/{self.id}"
        return Asked(id, former_id, caller, self.content, formerly_known=self.came_before)


class MessageCommand:
    """One message, from its first try to its answer. A refusal does not use its id up: the next one is tried anew."""

    def __init__(self, resources: Resources, unit: UnitOfWork, origin: Origin, message: Message):
        self.given = resources, unit, origin
        self.message = message

    def carry_out(self, caller: Caller, method: Callable[[], None], refused: Callable[[Refusal], None]) -> str:
        """`handled`, `repeated` or `refused`. Raises a refusal that passes by itself, and what an Execution raises."""
        asked = self.message.asked(caller)
        former_id: str | None = asked.former_id
        while True:
            known_as, refusal = None, None
            try:
                _Noted(self, method, asked.id, asked.noted, former_id).run()
                return "handled"
            except AlreadyProcessed as known:
                known_as = str(known)
            except Refusal as error:
                if error.retryable:
                    raise
                refusal = error
            try:
                if _AnsweredAgain(self, [asked.id, asked.former_id], asked.first_time, known_as).run():
                    return "repeated"
            except (IdempotencyConflict, AlreadyExists) as error:
                refusal = error
            if refusal is not None:
                return self.refuse(refusal, refused, caller)
            former_id = None  # another sender's, to whom the release before would take this one for

    def refuse(self, refusal: Refusal, refused: Callable[[Refusal], None], caller: Caller | None = None) -> str:
        """Answer with a refusal; with the very same one when it is the same for the same content."""
        let_go(refusal)
        sender = caller.identity if caller else ""
        same = [sender, self.message.id, self.message.content, _without_numbers(refusal)]
        id = f"{self.message.handler}/{digest(same)}"
        try:
            _Noted(self, lambda: refused(refusal), id).run()
        except AlreadyProcessed:
            try:
                _AnsweredAgain(self, [id], lambda found: found[id], id).run()
            except AlreadyExists as too_old:
                return self.refuse(too_old, refused, caller)
        return "refused"


def _without_numbers(refusal: Refusal) -> list[Any]:
    """What is refused and where, in words that do not change with the clock: "expired 5 s ago"."""
    return [refusal.code, _NUMBER.sub("", refusal.message), [[e.path, e.code] for e in refusal.errors]]


class _Noted(Execution):
    """What is done for a message, noted in the inbox with the events that answer it."""

    def __init__(
        self,
        command: MessageCommand,
        do: Callable[[], None],
        id: str,
        about: dict[str, Any] | None = None,
        former_id: str | None = None,
    ):
        super().__init__(*command.given)
        self._do, self._id, self._about, self._former_id = do, id, about or {}, former_id

    def attempt(self) -> None:
        self._do()

    def completion(self, _result: None) -> CompletionRecord:
        events = [emitted.id for emitted in self.unit.changes.emitted]
        return CompletionRecord(inbox=self._id, about={**self._about, "events": events}, former_id=self._former_id)


class _AnsweredAgain(Execution):
    """Lets the events that answered a message the first time go out once more, under their ids, so that nobody counts
    them twice. Tells whether there was a first time."""

    def __init__(
        self,
        command: MessageCommand,
        ids: list[str],
        first_time: Callable[[dict[str, dict[str, Any]]], dict[str, Any] | None],
        known_as: str | None,
    ):
        super().__init__(*command.given)
        self._ids, self._first_time, self._known_as = ids, first_time, known_as

    def attempt(self) -> bool:
        found = {document["_id"]: document for document in self.unit.find(INBOX, {"_id": {"$in": self._ids}})}
        if self._known_as is not None and self._known_as not in found:  # it is there, and no majority has it yet
            raise Clash("The message")
        document = self._first_time(found)
        if document is not None:
            self._announce(document.get("events", ()), self.resources.time.now())
        return document is not None

    def _announce(self, events: Sequence[str], now: datetime.datetime) -> None:
        rows = find_events(self.unit, {"_id": {"$in": list(events)}}) if events else []
        if len(rows) < len(events) or any(not row.get("body") or now - row["recorded_at"] > SURE_FOR for row in rows):
            raise AlreadyExists("This was answered before, too long ago for the answer to be announced again.")
        for row in rows:  # one that still waits may just have gone out, and not be marked yet
            self.unit.delete(OUTBOX, row["_id"])
            self.unit.send(row if row["pending"] else sent_again(row, now))
