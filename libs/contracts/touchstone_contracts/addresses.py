"""How an address names a user and several hosts, `amqp://user:password@host1:5672,host2/vhost`, and which is tried."""

import functools
import random
import re
import time
from collections.abc import Callable
from urllib.parse import quote

_AUTHORITY = re.compile(r"(?P<head>[a-z+]+://(?:[^/]*@)?)(?P<hosts>[^/@?#]*)(?P<tail>.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_AUTHENTICATION = {"authsource", "authmechanism", "authmechanismproperties"}
AVOIDED_S = 30.0
"""A node that did not answer is tried after the others for so long."""


def split(uri: str) -> list[str]:
    """An address for each host of `uri`, with the same user, virtual host and options; one host: `uri` as it is.

    Raises ValueError when one of several hosts is empty or its port is none. The message never holds the address.
    """
    found = _AUTHORITY.fullmatch(uri)
    if found is None or "," not in found["hosts"]:
        return [uri]
    hosts = found["hosts"].split(",")
    for number, host in enumerate(hosts, 1):
        parts = _HOST.fullmatch(host)
        if parts is None or not 0 < int(parts["port"] or 1) < 65_536:
            raise ValueError(f"host {number} of {len(hosts)} is not of the form host or host:port")
    return [f"{found['head']}{host}{found['tail']}" for host in hosts]


def user_and_password(credentials: str) -> tuple[str, str]:
    """Of `user:password`, whatever blanks are around it. Raises ValueError, whose message holds neither."""
    user, colon, password = credentials.strip().partition(":")
    if not (user and colon and password):
        raise ValueError("the credentials are not of the form user:password")
    return user, password


def with_credentials(uri: str, credentials: str) -> str:
    """`uri` with another user: `credentials` is `user:password` as in the file that `touchstone provision` writes.

    Raises ValueError, whose message holds neither.
    """
    user, password = user_and_password(credentials)
    found = _AUTHORITY.fullmatch(uri)
    if found is None:
        raise ValueError("the address is none")
    scheme = found["head"].partition("://")[0]
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{found['hosts']}{found['tail']}"


def with_database_credentials(uri: str, credentials: str) -> str:
    """`mongodb://` or `mongodb+srv://` with another user, which is one of the database `admin`, whatever `uri` said.

    `credentials` as for `with_credentials`. Raises ValueError, whose message holds neither.
    """
    rest, _, query = with_credentials(uri, credentials).partition("?")
    kept = [option for option in re.split("[&;]", query) if option.partition("=")[0].lower() not in _AUTHENTICATION]
    place = rest if "/" in rest.partition("://")[2] else f"{rest}/"
    return f"{place}?{'&'.join([*filter(None, kept), 'authSource=admin'])}"


class Addresses:
    """The addresses of one broker: in which order to try them now, and which did not answer lately."""

    def __init__(self, uri: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._all = split(uri)
        self._now = now
        self._failed_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    def in_turn(self) -> list[str]:
        """All of them: at random, so that clients spread over the nodes; those that failed lately come last."""
        shuffled = random.sample(self._all, len(self._all))
        forgotten = self._now() - AVOIDED_S
        return sorted(shuffled, key=lambda address: max(self._failed_at.get(address, forgotten), forgotten))

    def avoid(self, address: str) -> None:
        """It could not be connected to, or its node did not do what it was asked in time."""
        self._failed_at[address] = self._now()


@functools.cache
def addresses_of(uri: str) -> Addresses:
    """One for the whole process, so that what one connection met the next one knows. Raises ValueError as `split`."""
    return Addresses(uri)
