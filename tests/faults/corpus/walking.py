"""Sends one message to one entrance and says what became of it, and how long that took."""

import dataclasses
import datetime
import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from corpus.entrances import COMMAND, RPC, Entrance, example_of
from corpus.rows import BROKER, FINE, UNHEARD, answered, parked
from corpus.samples import CANARY
from corpus.watching import Watcher
from corpus.wire import Message, Wire

from touchstone_contracts import roles

SETTLED = ("handled", "repeated", "refused")
_PAUSE_S = 0.01
_EARLIER = datetime.timedelta(seconds=10)
"""The database keeps no shorter times."""
WAIT_S = 30.0
"""How long a message may take before it counts as lost; how long it did take is another question."""
PARTIES: dict[str, dict[str, str]] = {roles.ASSESSOR: {"cab": "corpus-body"}, roles.MEMBER: {"member": "corpus-member"}}


class Tokens(Protocol):
    """Signs tokens: `System` does."""

    def token(self, role: str, *, cab: str | None = None, member: str | None = None) -> str: ...


@dataclasses.dataclass(frozen=True)
class Outcome:
    """`what` is a word of corpus.rows, or a sentence about what should not be; `reply` the answer to a call."""

    what: str
    took_s: float
    reply: Any = None


def call(entrance: Entrance, tokens: Tokens, arguments: Mapping[str, Any], reply_to: str) -> Message:
    """A call as an honest client sends it, with a canary that nobody asks for."""
    kwargs = dict(arguments) | ({"idempotency_key": uuid.uuid4().hex} if entrance.changes else {})
    body = {"note": CANARY, "args": [], "kwargs": kwargs}
    headers: dict[str, Any] = {"nameko.call_id_stack": ["corpus"], "nameko.correlation_id": uuid.uuid4().hex}
    if entrance.caller:
        headers["nameko.authorization"] = tokens.token(entrance.caller, **PARTIES.get(entrance.caller, {}))
    return _message(entrance, body, headers, reply_to=reply_to, correlation_id=uuid.uuid4().hex)


def event(entrance: Entrance, data: Mapping[str, Any] | None = None, **changes: Any) -> Message:
    """The event's golden example under an id of its own, or with other data; of an aggregate that nobody else uses."""
    example = example_of(entrance.event_class)
    example |= {"note": CANARY, "id": f"corpus-{uuid.uuid4().hex}", "causationid": None} | changes
    example["data"] = dict(example["data"] if data is None else data) | {"note": CANARY}
    subject = entrance.event_class.subject_field
    if data is None:
        example["subject"] = example["data"][subject] = f"corpus-{uuid.uuid4().hex}"
    return _message(entrance, example, {})


def submission(entrance: Entrance, tokens: Tokens, content: Mapping[str, Any]) -> Message:
    """A command by message."""
    assert entrance.caller
    token = tokens.token(entrance.caller, **PARTIES.get(entrance.caller, {}))
    return _message(entrance, dict(content), {"authorization": token})


def _message(entrance: Entrance, content: Any, headers: dict[str, Any], **properties: Any) -> Message:
    common = {"content_type": entrance.content_type, "content_encoding": "utf-8", "delivery_mode": 2}
    common |= {"message_id": f"corpus-{uuid.uuid4().hex}"}
    body = json.dumps(content).encode()
    return Message(entrance.exchange, entrance.routing_key, body, common | properties, headers)


class Walker:
    """Sends messages to entrances, one at a time."""

    def __init__(self, wire: Wire, watcher: Watcher) -> None:
        self._wire, self._watcher = wire, watcher

    def outcome(self, entrance: Entrance, message: Message, *, wait_s: float = WAIT_S) -> Outcome:
        """What became of the message. Other traffic on the same entrance would be taken for it."""
        before = self._before(entrance, message)
        # Services tell the time by their database, which is not quite ours: what is new is known by what was there.
        since = datetime.datetime.now(datetime.UTC) - _EARLIER
        known, begun = len(self._watcher.parked(entrance, since)), time.monotonic()
        if self._wire.send(message) is not None:
            return Outcome(BROKER, time.monotonic() - begun)
        while (took_s := time.monotonic() - begun) < wait_s:
            if found := self._found(entrance, message, before, (since, known), begun):
                return found
            time.sleep(_PAUSE_S)
        return Outcome(f"nothing within {wait_s:g} s", took_s)

    def _before(self, entrance: Entrance, message: Message) -> Counter[str]:
        return Counter() if self._hears(entrance, message) else self._watcher.handled(entrance)

    def _hears(self, entrance: Entrance, message: Message) -> bool:
        """Whether the answer comes to us."""
        return (
            entrance.kind == RPC and message.raw is None and message.properties.get("reply_to") == self._wire.reply_to
        )

    def _found(
        self,
        entrance: Entrance,
        message: Message,
        before: Counter[str],
        parked_before: tuple[datetime.datetime, int],
        begun: float,
    ) -> Outcome | None:
        if self._hears(entrance, message):
            reply = self._wire.reply_to_call(message.properties.get("correlation_id"), within_s=0.1)
            if reply:
                content = json.loads(reply.body)
                return Outcome(word_of(content), reply.at - begun, content)
        elif (done := self._watcher.handled(entrance) - before) and "dead_lettered" not in done:
            return Outcome(_word_for(entrance, done), time.monotonic() - begun)
        since, known = parked_before
        if reasons := self._watcher.parked(entrance, since)[known:]:
            return Outcome(parked(reasons[-1]), time.monotonic() - begun)
        return None


def word_of(reply: Any) -> str:
    """The word for a reply; what is no reply of the protocol gets a sentence."""
    error = reply.get("error") if isinstance(reply, dict) else ...
    if error is None:
        return FINE
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        return f"a reply that is none: {str(reply)[:100]}"
    return answered(error["code"])


def _word_for(entrance: Entrance, done: Counter[str]) -> str:
    if entrance.kind == RPC:
        return UNHEARD
    (outcome,) = done
    if entrance.kind == COMMAND and outcome == "refused":
        return UNHEARD
    return FINE if outcome in SETTLED else f"it is {outcome}"
