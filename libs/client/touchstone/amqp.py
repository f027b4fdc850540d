"""Short blocking conversations with the broker: the only module that knows pika's BlockingConnection.

pika 1.5 deprecates it; whatever takes its place is put behind `open_connection` here.
"""

import contextlib
import time
from collections.abc import Iterator

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel as Channel
from pika.adapters.blocking_connection import BlockingConnection as Connection

from touchstone.uris import redacted

__all__ = ["BrokerRefused", "BrokerUnreachable", "Channel", "Connection", "open_connection", "parameters"]

ANSWER_WITHIN_S = 10
_PAUSE_S = 0.5


class BrokerUnreachable(ConnectionError):
    """Nothing answers at the broker's address, or the connection was lost."""


class BrokerRefused(ConnectionError):
    """The broker does not know the user, the password or the virtual host."""


def parameters(amqp_uri: str, *, client_name: str) -> pika.URLParameters:
    """Connection parameters with limits on every wait. `client_name` is what the broker's management page shows.

    Raises BrokerRefused when the address is not one.
    """
    try:
        made = pika.URLParameters(amqp_uri)
    except (ValueError, TypeError) as error:
        raise BrokerRefused(f"{redacted(amqp_uri)} is not a broker address like amqp://user:password@host/") from error
    made.socket_timeout = ANSWER_WITHIN_S
    made.stack_timeout = ANSWER_WITHIN_S
    made.blocked_connection_timeout = ANSWER_WITHIN_S
    made.client_properties = {"connection_name": client_name}
    return made


@contextlib.contextmanager
def open_connection(amqp_uri: str, *, client_name: str = "touchstone", wait_s: float = 0) -> Iterator[Connection]:
    """A connection that is closed at the end of the block. Tries for `wait_s` seconds while nobody answers.

    Raises BrokerUnreachable, or BrokerRefused (at once) when the broker answers and does not let us in.
    """
    connection = _connect(amqp_uri, client_name, time.monotonic() + wait_s)
    try:
        yield connection
    except (pika.exceptions.StreamLostError, pika.exceptions.ConnectionWrongStateError) as error:
        raise BrokerUnreachable(f"The connection to {redacted(amqp_uri)} was lost.") from error
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def _connect(amqp_uri: str, client_name: str, until: float) -> Connection:
    wanted = parameters(amqp_uri, client_name=client_name)
    while True:
        try:
            return Connection(wanted)
        except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError) as error:
            raise BrokerRefused(f"{redacted(amqp_uri)} refuses this user, password or virtual host.") from error
        except pika.exceptions.ConnectionClosedByBroker as error:
            # 530 NOT_ALLOWED is an unknown virtual host, 403 ACCESS_REFUSED a user without rights on it
            if error.reply_code in (403, 530):
                raise BrokerRefused(f"{redacted(amqp_uri)}: {error.reply_text}") from error
            failure: Exception = error
        except (pika.exceptions.AMQPError, OSError) as error:
            failure = error
        if time.monotonic() >= until:
            raise BrokerUnreachable(f"Nothing answers at {redacted(amqp_uri)}.") from failure
        time.sleep(_PAUSE_S)
