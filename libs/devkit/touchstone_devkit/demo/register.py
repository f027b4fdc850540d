"""Commands and questions to a running system, by whoever may ask them."""

import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

from touchstone.rpc.client import Client
from touchstone_contracts import roles

TokenFor = Callable[..., str]
"""Gives a token: called with the role, and with `sub`, `cab` and `member` by name."""


@dataclasses.dataclass(frozen=True)
class Speaker:
    """Who calls: a role, the body or the member that it speaks for, and the person's name in the token."""

    role: str
    cab: str | None = None
    member: str | None = None
    sub: str | None = None


SECRETARIAT = Speaker(roles.SECRETARIAT)
REGISTRAR = Speaker(roles.REGISTRAR)
OPERATOR = Speaker(roles.OPERATOR)


def assessor(body_id: str) -> Speaker:
    return Speaker(roles.ASSESSOR, cab=body_id, sub=f"reports@{body_id}")


def member(member_id: str) -> Speaker:
    return Speaker(roles.MEMBER, member=member_id, sub=f"office@{member_id}")


class Register:
    """Calls methods in any role; one connection for each speaker. Ends them with the block."""

    def __init__(self, amqp_uri: str, token: TokenFor, *, timeout_s: float = 30) -> None:
        self._amqp_uri = amqp_uri
        self._token = token
        self._timeout_s = timeout_s
        self._clients: dict[Speaker | None, Client] = {}

    def call(self, speaker: Speaker | None, method: str, *, key: str | None = None, **arguments: Any) -> Any:
        """The answer of `service.method`; `speaker` None calls without a token, `key` is the idempotency key.

        Raises what touchstone.rpc.Client.call raises.
        """
        service, _, name = method.partition(".")
        return self._client(speaker).call(service, name, idempotency_key=key or uuid.uuid4().hex, **arguments)

    def every(self, speaker: Speaker | None, method: str, **arguments: Any) -> list[Any]:
        """All items of a method that answers page by page."""
        items, after = [], None
        while True:
            page = self.call(speaker, method, limit=200, **arguments, **({"after": after} if after else {}))
            items += page["items"]
            after = page["next"]
            if not after:
                return items

    def close(self) -> None:
        while self._clients:
            self._clients.popitem()[1].close()

    def __enter__(self) -> "Register":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _client(self, speaker: Speaker | None) -> Client:
        if speaker not in self._clients:
            self._clients[speaker] = Client(self._amqp_uri, self._token_of(speaker), timeout_s=self._timeout_s)
        return self._clients[speaker]

    def _token_of(self, speaker: Speaker | None) -> Callable[[], str] | None:
        if speaker is None:
            return None
        given = {name: value for name, value in dataclasses.asdict(speaker).items() if value and name != "role"}
        return lambda: self._token(speaker.role, **given)
