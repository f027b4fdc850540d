"""Records every call that a client made: when it began, when it ended, and whether it is known what became of it."""

import contextlib
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from touchstone.rpc.client import BrokerRefused, BrokerUnreachable, MalformedReply, NoAnswer
from touchstone_contracts.errors import Refusal
from touchstone_devkit.demo.register import Register, Speaker

OK, FAIL, UNKNOWN, INVOKED = "ok", "fail", "unknown", "invoked"
# a broker that is coming up again refuses its virtual hosts for a moment
UNANSWERED = (NoAnswer, BrokerUnreachable, BrokerRefused, MalformedReply, Refusal)


@dataclasses.dataclass
class Call:
    """One attempt at one call; times in unix seconds. An `unknown` one was carried out once or not at all."""

    method: str
    key: str
    invoked_at: float
    ended_at: float | None = None
    outcome: str = INVOKED
    detail: str = ""


class CallFailed(Exception):
    """The service refused, and would refuse again."""


class History:
    """All attempts of a run, in the order in which they began."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def end(self) -> None:
        """The run is broken off: a call that is not answered is not asked again."""
        self._ended.set()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def until_answered(
        self,
        register: Register,
        speaker: Speaker | None,
        method: str,
        key: str,
        *,
        give_up_s: float,
        not_yet: str = "",
        **arguments: Any,
    ) -> Any:
        """The answer; asks again with the same key while it is unknown what became of the call.

        A refusal with the code `not_yet` is no answer either: something that was sent has not come through so far.
        """
        until = time.monotonic() + give_up_s
        while True:
            call = self._begin(method, key)
            try:
                answer = register.call(speaker, method, key=key, **arguments)
            except UNANSWERED as failure:
                known = isinstance(failure, Refusal) and not failure.retryable and failure.code != "internal_error"
                early = isinstance(failure, Refusal) and failure.code == not_yet
                self._end(call, FAIL if known else UNKNOWN, f"{type(failure).__name__}: {failure}")
                if (known and not early) or time.monotonic() > until or self.ended:
                    raise CallFailed(f"{method} {key}: {call.detail}") from failure
                self._ended.wait(0.05)
            else:
                self._end(call, OK)
                return answer

    @contextlib.contextmanager
    def sending(self, queue: str, message_id: str) -> Iterator[None]:
        """A message; without the broker's confirm it is unknown what became of it."""
        call = self._begin(queue, message_id)
        try:
            yield
        except Exception as failure:
            self._end(call, UNKNOWN, f"{type(failure).__name__}: {failure}")
            raise
        self._end(call, OK)

    def counts(self) -> dict[str, int]:
        return dict(Counter(call.outcome for call in self.calls))

    def acknowledged(self, method: str) -> list[str]:
        """The keys of the calls of that method which were answered."""
        return [call.key for call in self.calls if call.method == method and call.outcome == OK]

    def _begin(self, method: str, key: str) -> Call:
        call = Call(method, key, time.time())
        with self._lock:
            self.calls.append(call)
        return call

    def _end(self, call: Call, outcome: str, detail: str = "") -> None:
        call.ended_at, call.outcome, call.detail = time.time(), outcome, detail[:300]
