"""The one request queue of a service: finds the method for each request."""

from collections.abc import Callable

from eventlet.semaphore import Semaphore
from nameko.extensions import SharedExtension

from touchstone_chassis.consuming.decoding import BadMessage
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.rpc.replies import ReplyPublisher, reply_to_of
from touchstone_contracts.errors import UnknownMethod
from touchstone_contracts.topology import rpc_queue

PUBLIC_AT_ONCE = 8


class RpcServer(SharedExtension):
    """The one request queue of a service: finds the method for each request."""

    resources = Resources()
    replies = ReplyPublisher()

    def __init__(self) -> None:
        self._methods: dict[str, Callable[[Delivery], None]] = {}
        self.public_share = Semaphore(PUBLIC_AT_ONCE)
        """What calls without a token are at work with, however many come: all else goes on beside them."""

    def setup(self) -> None:
        self.resources.consumer.register(rpc_queue(self.resources.service), self._route, calls=True)

    def add(self, method_name: str, spawn: Callable[[Delivery], None]) -> None:
        self._methods[method_name] = spawn

    def _route(self, delivery: Delivery) -> None:
        name = delivery.routing_key.removeprefix(f"{self.resources.service}.")
        spawn = self._methods.get(name)
        if spawn is not None:
            spawn(delivery)
        else:  # not here: no other message would be handed on while the broker keeps us waiting
            self.container.spawn_managed_thread(lambda: self._answer_unknown(delivery, name[:100]))

    def _answer_unknown(self, delivery: Delivery, name: str) -> None:
        if reply_to_of(delivery):
            self.replies.send(delivery, None, UnknownMethod(f"{self.resources.service} has no method {name!r}."))
            delivery.ack()
        else:
            unknown = BadMessage("unknown_method", f"no method {name!r}")
            self.resources.retry_policy.dead_letter(delivery, unknown.reason, unknown)
