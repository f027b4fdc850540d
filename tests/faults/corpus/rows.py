"""What a row of the corpus is: a name, a way to spoil a good message, and what must become of it."""

import dataclasses
from collections.abc import Callable

from corpus.entrances import COMMAND, RPC, Entrance
from corpus.wire import Message

FINE = "handled as if nothing were wrong"
BROKER = "refused by the broker"
UNHEARD = "handled, and nobody hears the answer"
Spoil = Callable[[Message], Message]


def answered(code: str) -> str:
    """The caller gets an error with this code."""
    return f"answered: {code}"


def parked(reason: str) -> str:
    """The message is kept as a dead letter with this reason."""
    return f"parked: {reason}"


@dataclasses.dataclass(frozen=True)
class Row:
    """`call`, `queued` and `command` say what may become of it on an RPC queue, an event's queue, a command queue."""

    name: str
    spoil: Spoil
    call: tuple[str, ...]
    queued: tuple[str, ...]
    command: tuple[str, ...]

    def allowed(self, entrance: Entrance) -> tuple[str, ...]:
        """What may become of the message; empty where the row means nothing to this entrance."""
        return self.call if entrance.kind == RPC else self.command if entrance.kind == COMMAND else self.queued


Outcomes = str | tuple[str, ...] | None


def row(name: str, spoil: Spoil, *, call: Outcomes, queued: Outcomes, command: Outcomes = ()) -> Row:
    """A row; `command` is as `queued` where it is not given, None leaves the row out there."""
    return Row(name, spoil, _several(call), _several(queued), _several(queued if command == () else command))


def _several(outcomes: Outcomes) -> tuple[str, ...]:
    return (outcomes,) if isinstance(outcomes, str) else tuple(outcomes or ())
