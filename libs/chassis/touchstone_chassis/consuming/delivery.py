"""One message as it came in, and the ways to be done with it."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import amqp

from touchstone_chassis.amqp.channels import ConsumerChannels


@dataclasses.dataclass(eq=False)
class Delivery:
    """What others know of a delivery (its deferrals, its starts, its slot) they keep themselves, by the delivery."""

    queue: str
    message: amqp.Message
    channels: ConsumerChannels
    is_call: bool = False
    """Whether somebody waits for an answer."""
    received_at: float = dataclasses.field(default_factory=lambda: time.time())
    settled: bool = False
    free: Callable[[], None] = lambda: None
    """Called when its body is needed no more."""

    @property
    def size(self) -> int:
        """Of the body as it was sent."""
        return self.message.body_size or len(self.body)

    @property
    def whole(self) -> bool:
        """Whether the body is here: one that is too large for every handler is not."""
        return self.size == len(self.body)

    @property
    def body(self) -> bytes:
        body = self.message.body
        return body.encode() if isinstance(body, str) else bytes(body or b"")

    @property
    def headers(self) -> dict[str, Any]:
        headers = self.message.properties.get("application_headers")
        return headers if isinstance(headers, dict) else {}

    def attribute(self, name: str) -> Any:
        return self.message.properties.get(name)

    @property
    def routing_key(self) -> str:
        return self.message.delivery_info.get("routing_key") or ""

    @property
    def exchange(self) -> str:
        return self.message.delivery_info.get("exchange") or ""

    @property
    def redelivered(self) -> bool:
        """Whether somebody had it before: the broker counts what was handed out and came back."""
        return bool(self.message.delivery_info.get("redelivered"))

    @property
    def pointless(self) -> bool:
        """Whether there is no use in starting on it: it will be delivered again, here or elsewhere."""
        channel = self.message.channel
        return self.channels.draining or self.channels.closed or not (channel is None or channel.is_open)

    def ack(self) -> None:
        """Done with it. When the connection is gone the broker delivers it again, and the inbox knows it."""
        self._settle(ack=True)

    def reject(self) -> None:
        """Let the broker dead-letter it."""
        self._settle(ack=False)

    def abandon(self) -> None:
        """Leave it unacknowledged: it is delivered again when the connection closes."""
        self._settle(ack=None)

    def _settle(self, *, ack: bool | None) -> None:
        if self.settled:
            return
        self.settled = True
        self.free()
        self.channels.in_flight -= 1
        if ack is not None:
            self.channels.settle(self.message, ack=ack)
