"""The RPC methods by which an operator looks at dead letters and mends them; a service class inherits them."""

import datetime
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from touchstone_chassis.deadletters import replay
from touchstone_chassis.deadletters.consumer import DeadLettersProvider, on_dead_letter
from touchstone_chassis.deadletters.letter import PARKED, STATES, DeadLetter, json_of
from touchstone_chassis.deadletters.repository import DeadLetters, criteria
from touchstone_chassis.mongo.server_time import RealTime
from touchstone_chassis.observability.redaction import masked, masked_text
from touchstone_chassis.pagination import cursor_of
from touchstone_chassis.rpc.method import command, query
from touchstone_chassis.rpc.requests import Why, name_field
from touchstone_contracts.callers import Caller
from touchstone_contracts.fields import Truth
from touchstone_contracts.roles import OPERATOR

BATCH_BYTES_MAX = 8 * 1024 * 1024
"""One call changes no more than this, the first dead letter excepted: a transaction must end in seconds."""
SHOWN_BYTES_MAX = 1024 * 1024
_SUMMARY = (
    *("state", "queue", "event_type", "event_id", "message_id", "correlation_id", "reason", "error", "parked_at"),
    *("first_parked_at", "attempts", "replays", "times", "size"),
)


class Filter(Schema):
    """Which dead letters; everything that is given must hold. `event` is the type's wire name."""

    queue = name_field()
    event = name_field()
    reason = name_field()
    older_than_s = fields.Integer(strict=True, validate=validate.Range(0, 10**10))


class ListDeadLetters(Filter):
    state = fields.String(load_default=PARKED, validate=validate.OneOf(STATES))
    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    after = name_field()


class GetDeadLetter(Schema):
    id = name_field(required=True)


class EditDeadLetter(Why):
    id = name_field(required=True)
    body = fields.String(required=True, validate=validate.Length(min=2))


class DiscardDeadLetters(Why):
    """Either `ids` or a `filter`; an empty filter means all that is parked."""

    ids = fields.List(name_field(), validate=validate.Length(1, 200))
    filter = fields.Nested(Filter)
    dry_run = Truth(load_default=False)
    limit = fields.Integer(strict=True, load_default=100, validate=validate.Range(1, 200))
    after = name_field()

    @validates_schema
    def _either(self, data: dict[str, Any], **_: Any) -> None:
        if ("ids" in data) == ("filter" in data):
            raise ValidationError({"ids": ["Give either ids or a filter."]})


class ReplayDeadLetters(DiscardDeadLetters):
    rate_per_s = fields.Float(validate=validate.Range(0.1, 1000))
    force = Truth(load_default=False)


class DeadLetterApi:
    """What every service offers the operator for its dead letters, and the collector that keeps them."""

    dead_letters = DeadLettersProvider()
    real_time = RealTime()

    @on_dead_letter()
    def keep_dead_letter(self, found: DeadLetter) -> None:
        self.dead_letters.keep(found, self.real_time.now())

    @query(ListDeadLetters(), roles=(OPERATOR,))
    def list_dead_letters(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Dead letters in one state (`parked` if none is given), oldest first, without bodies."""
        found, after = self.dead_letters.page(criteria(request, self.real_time.now()), request["limit"])
        return {"items": [_summary(document) for document in found], "next": after}

    @query(GetDeadLetter(), roles=(OPERATOR,))
    def get_dead_letter(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """One dead letter whole, addresses masked. `obstacle` says why it cannot be replayed, if so."""
        document = self.dead_letters.get(request["id"])
        obstacle = _obstacle(self.dead_letters, document, self.real_time.now(), force=False)
        return _shown(document) | {"obstacle": _told(document["_id"], obstacle) if obstacle else None}

    @command(ReplayDeadLetters(), roles=(OPERATOR,))
    def replay_dead_letters(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Send messages to the queues that they came from, by the outbox: marked and sent, or neither."""
        kept, now = self.dead_letters, self.real_time.now()
        chosen = _Choice(kept, request, now)
        due = _Turns(kept.last_due() if request.get("rate_per_s") else None, request.get("rate_per_s"), now)
        for document in chosen.allowed(lambda found: _obstacle(kept, found, now, force=request["force"])):
            changed, row = replay.replayed(document, next(due), who=str(caller), why=request["why"], now=now)
            kept.save(changed)
            kept.send(row)
        return chosen.answer("replayed")

    @command(EditDeadLetter(), roles=(OPERATOR,))
    def edit_dead_letter(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Put a new body beside the old one, for the next replay. The event's id stays; masked addresses are kept."""
        kept, now = self.dead_letters, self.real_time.now()
        document = kept.get(request["id"])
        changed = replay.edited(document, request["body"], kept.service, who=str(caller), why=request["why"], now=now)
        kept.save(changed)
        return _shown(changed)

    @command(DiscardDeadLetters(), roles=(OPERATOR,))
    def discard_dead_letters(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Mark messages as done with. They stay to be looked at for a year; contact addresses leave at once."""
        kept, now = self.dead_letters, self.real_time.now()
        chosen = _Choice(kept, request, now)
        for document in chosen.allowed(_obstacle_to_discard):
            kept.save(replay.discarded(document, who=str(caller), why=request["why"], now=now))
            kept.drop_parts(document)
        return chosen.answer("discarded")


class _Choice:
    """The dead letters that one call is about, and what became of each."""

    def __init__(self, kept: DeadLetters, request: dict[str, Any], now: datetime.datetime):
        self._kept, self._dry_run = kept, request["dry_run"]
        self._done: list[str] = []
        self._refused: list[dict[str, Any]] = []
        self._next: str | None = None
        self._by_ids = "ids" in request
        if self._by_ids:
            by_id = {document["_id"]: document for document in kept.having(request["ids"])}
            self._missing([id for id in request["ids"] if id not in by_id])
            found: Iterable[dict[str, Any]] = by_id.values()
        else:
            filter = request["filter"] | ({"after": request["after"]} if "after" in request else {})
            found, self._next = kept.page(criteria(filter, now), request["limit"])
        self._found = list(found)

    def allowed(self, obstacle: Callable[[dict[str, Any]], replay.Obstacle | None]) -> Iterator[dict[str, Any]]:
        """Each whole document for which there is no obstacle; none of them in a dry run."""
        bytes_left = BATCH_BYTES_MAX
        for before, summary in zip([{}, *self._found], self._found, strict=False):
            document = self._kept.get(summary["_id"])
            in_the_way = obstacle(document)
            if in_the_way:
                self._refused.append(_told(document["_id"], in_the_way))
                continue
            size = len(document["edited_body"] or document["body"] or b"")
            if self._done and size > bytes_left:
                if not self._by_ids:
                    self._next = cursor_of(before, "parked_at")
                    return
                self._refused.append(_told(document["_id"], ("batch_full", "Too much for one call: ask again.")))
                continue
            bytes_left -= size
            self._done.append(document["_id"])
            if not self._dry_run:
                yield document

    def answer(self, done: str) -> dict[str, Any]:
        return {"dry_run": self._dry_run, done: self._done, "refused": self._refused, "next": self._next}

    def _missing(self, ids: Iterable[str]) -> None:
        self._refused += [_told(id, ("not_found", "There is no such dead letter here.")) for id in ids]


class _Turns:
    """When each replay of a batch goes out: at once without a rate, else after those that wait already."""

    def __init__(self, last: datetime.datetime | None, rate_per_s: float | None, now: datetime.datetime):
        self._apart = datetime.timedelta(seconds=1 / rate_per_s) if rate_per_s else datetime.timedelta()
        self._due = max(now, last + self._apart) if last else now

    def __next__(self) -> datetime.datetime:
        due, self._due = self._due, self._due + self._apart
        return due


def _obstacle(
    kept: DeadLetters, document: dict[str, Any], now: datetime.datetime, *, force: bool
) -> replay.Obstacle | None:
    return replay.obstacle_to_replay(
        document,
        kept.service,
        now,
        consumed=kept.consumes(document["queue"] or ""),
        body_bytes_max=kept.body_bytes_max,
        force=force,
    )


def _obstacle_to_discard(document: dict[str, Any]) -> replay.Obstacle | None:
    return None if document["state"] == PARKED else ("not_parked", f"It is {document['state']}.")


def _told(id: str, obstacle: replay.Obstacle) -> dict[str, Any]:
    return {"id": id, "code": obstacle[0], "message": obstacle[1]}


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    return {"id": document["_id"], **{name: masked(document[name]) for name in _SUMMARY}}


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    return _summary(document) | {
        "exchange": document["exchange"],
        "routing_key": document["routing_key"],
        "user_id": document["user_id"],
        "properties": _printable(document["properties"]),
        "headers": _printable(document["headers"]),
        "body": _body(document["body"], document["size"]),
        "edited_body": _body(document["edited_body"]),
        "actions": masked(document["actions"]),
    }


def _body(body: bytes | None, size: int = 0) -> Any:
    """JSON as JSON, all else as text; None when it was removed. The end of a very long one is not shown, or not kept:
    then `size` is larger."""
    if body is None:
        return None
    content = json_of(body) if len(body) <= SHOWN_BYTES_MAX else {}
    return masked(content) if content else _text(body, size)


def _text(raw: bytes, size: int = 0) -> str:
    text = raw[:SHOWN_BYTES_MAX].decode("utf-8", "backslashreplace").replace("\0", "")
    return masked_text(text) + ("…" if max(len(raw), size) > len(raw[:SHOWN_BYTES_MAX]) else "")


def _printable(value: Any) -> Any:
    """Headers and properties as JSON has it."""
    if isinstance(value, dict):
        return masked({name: _printable(inner) for name, inner in value.items()})
    if isinstance(value, list):
        return [_printable(inner) for inner in value]
    return _text(value) if isinstance(value, bytes) else value
