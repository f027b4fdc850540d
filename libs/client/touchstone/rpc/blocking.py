"""Short blocking conversations with the broker: the only module that knows pika's BlockingConnection.

pika 1.5 deprecates it; whatever takes its place is put behind `open_connection` here.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel as Channel
from pika.adapters.blocking_connection import BlockingConnection as Connection
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from touchstone.rpc.uris import redacted
from touchstone_contracts.addresses import Addresses, addresses_of

__all__ = [
    "HEARTBEAT_S",
    "BrokerRefused",
    "BrokerUnreachable",
    "Channel",
    "Connection",
    "Node",
    "nodes",
    "open_connection",
    "refusal",
]

ANSWER_WITHIN_S = 10
HEARTBEAT_S = 5
"""For connections that are served all the time: a node that froze, its connections open, is left after ten seconds."""
ANSWER_EACH_WITHIN_S = 4
"""When there are other nodes to try."""
_PAUSE_S = 0.5
_FAILURES = (pika.exceptions.AMQPError, AMQPConnectorException, OSError)
"""The second is pika's for a broker that accepts and then says nothing; it is no AMQPError."""


class BrokerUnreachable(ConnectionError):
    """Nothing answers at the broker's address, or the connection was lost."""


class BrokerRefused(ConnectionError):
    """The broker does not know the user, the password or the virtual host."""


@dataclasses.dataclass(frozen=True)
class Node:
    """One node of the broker: how to connect to it, and to whom to say that it did not answer."""

    parameters: pika.URLParameters
    addresses: Addresses
    address: str

    def avoid(self) -> None:
        """For a while, those of this process that connect try the other nodes first."""
        self.addresses.avoid(self.address)


def nodes(amqp_uri: str, *, client_name: str, heartbeat_s: int | None = None) -> list[Node]:
    """The nodes in the order in which to try them; `amqp_uri` may name several hosts, separated by commas.

    Their parameters have limits on every wait. `client_name` is what the broker's management page shows. A broker that
    says nothing for `heartbeat_s` and five seconds more is given up, where the address itself does not say otherwise.
    Raises BrokerRefused when the address is not one.
    """
    try:
        addresses = addresses_of(amqp_uri)
        made = [Node(pika.URLParameters(address), addresses, address) for address in addresses.in_turn()]
    except (ValueError, TypeError) as error:
        raise BrokerRefused(f"{redacted(amqp_uri)} is not a broker address like amqp://user:password@host/") from error
    for node in made:
        node.parameters.socket_timeout = ANSWER_WITHIN_S if len(made) == 1 else ANSWER_EACH_WITHIN_S
        node.parameters.stack_timeout = node.parameters.socket_timeout
        node.parameters.blocked_connection_timeout = ANSWER_WITHIN_S
        node.parameters.heartbeat = heartbeat_s if node.parameters.heartbeat is None else node.parameters.heartbeat
        node.parameters.client_properties = {"connection_name": client_name}
    return made


@contextlib.contextmanager
def open_connection(
    amqp_uri: str, *, client_name: str = "touchstone", wait_s: float = 0, heartbeat_s: int | None = None
) -> Iterator[Connection]:
    """A connection that is closed at the end of the block.

    Tries each node, and for `wait_s` seconds all of them again, while nobody answers or those that answer refuse the
    virtual host, as a node does that is coming up. `heartbeat_s` as for `nodes`, and only for those that never leave
    the connection alone for longer; else it is the broker's, a minute. Raises BrokerUnreachable, or BrokerRefused when
    every node that answered refused us; at once when it was user or password that one of them refused.
    """
    connection = _connect(amqp_uri, client_name, time.monotonic() + wait_s, heartbeat_s)
    try:
        yield connection
    except (pika.exceptions.StreamLostError, pika.exceptions.ConnectionWrongStateError) as error:
        raise BrokerUnreachable(f"The connection to {redacted(amqp_uri)} was lost.") from error
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def refusal(amqp_uri: str, error: Exception) -> BrokerRefused | None:
    """What to say of an attempt to connect that ended with `error`, when the node refused us; None when it did not.

    One node's refusal is not the broker's: while it comes up, a node refuses virtual hosts that others serve.
    """
    named = redacted(amqp_uri)
    # 530 NOT_ALLOWED is an unknown virtual host, 403 ACCESS_REFUSED a user without rights on it
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker) and error.reply_code in (403, 530):
        return BrokerRefused(f"{named}: {error.reply_text}")
    # pika infers these two from the moment of the end; a node that dies just then has refused nobody
    inferred = (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError)
    if isinstance(error, inferred) and pika.exceptions.ConnectionClosedByBroker.__name__ in str(error):
        return BrokerRefused(f"{named} refuses this user, password or virtual host.")
    return None


def _connect(amqp_uri: str, client_name: str, until: float, heartbeat_s: int | None) -> Connection:
    while True:
        refused: BrokerRefused | None = None
        wait = True
        for node in nodes(amqp_uri, client_name=client_name, heartbeat_s=heartbeat_s):
            try:
                return Connection(node.parameters)
            except _FAILURES as error:
                failure = error
                node.avoid()
                refused = refusal(amqp_uri, error) or refused
                wait = wait and not isinstance(error, pika.exceptions.ProbableAuthenticationError)
        if time.monotonic() >= until or (refused and not wait):
            raise (refused or BrokerUnreachable(f"Nothing answers at {redacted(amqp_uri)}.")) from failure
        time.sleep(_PAUSE_S)
