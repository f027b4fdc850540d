"""Asks the broker's management API, which alone knows of bindings, users and their rights."""

import base64
import json
import urllib.parse
import urllib.request
from typing import Any

from touchstone.rpc.blocking import nodes

MANAGEMENT_PORT = 15672
ANSWER_S_MAX = 10


class Management:
    """The management API of the broker at `amqp_uri`, and the virtual host there.

    `management_uri`: `http://user:password@host:port`; by default the broker's host and user, and the port 15672.
    Raises ValueError where the broker is reached by TLS and no address is given: a password goes nowhere in clear.
    """

    def __init__(self, amqp_uri: str, management_uri: str | None = None):
        broker = nodes(amqp_uri, client_name="touchstone provision")[0].parameters
        self.virtual_host: str = broker.virtual_host
        self._parts = urllib.parse.urlsplit(management_uri or _beside(broker))

    def ask(self, method: str, *path: str, **content: Any) -> Any:
        """What it answers, decoded; None where it says nothing. Raises OSError and ValueError."""
        parts = self._parts
        user = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
        whole = "/".join([parts.path.rstrip("/"), "api", *(urllib.parse.quote(part, safe="") for part in path)])
        request = urllib.request.Request(
            parts._replace(netloc=parts.netloc.rpartition("@")[2], path=whole).geturl(), method=method
        )
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
        if content:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(content).encode()
        directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with directly.open(request, timeout=ANSWER_S_MAX) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _beside(broker: Any) -> str:
    """The management API where it usually is: on the broker's host, with the same user. Raises ValueError."""
    if broker.ssl_options is not None:
        raise ValueError("the broker is asked by TLS: name it with --management-uri")
    host = f"[{broker.host}]" if ":" in broker.host else broker.host
    user = [urllib.parse.quote(part, safe="") for part in (broker.credentials.username, broker.credentials.password)]
    return f"http://{':'.join(user)}@{host}:{MANAGEMENT_PORT}"
