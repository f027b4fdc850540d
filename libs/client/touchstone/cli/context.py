"""Who calls, over which broker, and how the answer is shown: the options that every command shares."""

import contextlib
import dataclasses
import functools
import getpass
import importlib
import inspect
import math
import os
import pathlib
import re
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from touchstone.auth import keys
from touchstone.auth.keys import KeyUnusable
from touchstone.auth.tokens import Signer, TokenUnsignable
from touchstone.cli.render import Output
from touchstone.reading import read_text
from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable
from touchstone.rpc.client import Client, MalformedReply, NoAnswer
from touchstone.rpc.connection import UnknownService
from touchstone_contracts.addresses import with_credentials, with_database_credentials
from touchstone_contracts.errors import Refusal

ANSWER_IS_NO = 3
"""Exit status of a question that was answered, with no; 1 is that of a command that failed, whatever stopped it."""
CONNECT_WITHIN_S = 5
CALL_S_MAX = 3600
AGE_DAYS_MAX = 36_500
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PANEL = "Connection and caller"
_NONE = inspect.Parameter.empty

FAILURES: tuple[type[Exception], ...] = (
    Refusal,
    UnknownService,
    BrokerUnreachable,
    BrokerRefused,
    NoAnswer,
    MalformedReply,
    KeyUnusable,
    TokenUnsignable,
)
"""What a command may meet without being at fault itself: told on standard error, exit status 1."""


def finite(value: float | None) -> float | None:
    """A callback of options: NaN would pass every bound, and nothing waits for infinity."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number here")
    return value


def call_s(value: float) -> float:
    """A callback: seconds that a call may take; a usage error for what no service counts with."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= CALL_S_MAX:
        raise typer.BadParameter(f"a call takes more than 0 and at most {CALL_S_MAX} seconds")
    return value


def _option(*names: str, env: str | list[str], text: str, callback: Any = None) -> Any:
    return typer.Option(*names, envvar=env, help=text, rich_help_panel=_PANEL, show_default=False, callback=callback)


Json = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]
AmqpUri = Annotated[
    str | None, _option("--amqp-uri", env=["TOUCHSTONE_AMQP_URI", "AMQP_URI"], text="amqp://user:password@host/vhost")
]


@dataclasses.dataclass
class Offline:
    """What a command that calls no service has beside its own options: how its answer is shown."""

    as_json: Json = False

    @functools.cached_property
    def output(self) -> Output:
        return Output(as_json=self.as_json)

    def close(self) -> None:
        """There is nothing to close."""


@dataclasses.dataclass
class Signing:
    """By which key tokens are signed, and for whom."""

    key: Annotated[
        pathlib.Path | None,
        _option("--key", env="TOUCHSTONE_KEY", text="An issuer's private key: signs a token per call."),
    ] = None
    subject: Annotated[
        str | None, _option("--subject", env="TOUCHSTONE_SUBJECT", text="Who calls; default: your login.")
    ] = None
    role: Annotated[
        str | None,
        _option("--role", env="TOUCHSTONE_ROLE", text="secretariat, registrar, assessor, member or operator."),
    ] = None
    cab: Annotated[
        str | None, _option("--cab", env="TOUCHSTONE_CAB", text="The certification body that an assessor speaks for.")
    ] = None
    member: Annotated[
        str | None, _option("--member", env="TOUCHSTONE_MEMBER", text="The organisation that a member speaks for.")
    ] = None
    issuer: Annotated[str | None, _option("--issuer", env="TOUCHSTONE_ISSUER", text="Default: the key's.")] = None

    def signer(self, key: pathlib.Path, **claims: Any) -> Signer:
        """Signs tokens with the key in that file; raises KeyUnusable, TokenUnsignable, a usage error without a role."""
        if self.role is None:
            raise typer.BadParameter("a key signs for any role: say which with --role or TOUCHSTONE_ROLE")
        claims |= {"issuer": self.issuer, "cab": self.cab, "member": self.member}
        return Signer(keys.load(key), self.caller, self.role, **claims)

    @property
    def caller(self) -> str:
        """Who calls; a usage error where the machine does not know either."""
        try:
            return self.subject or getpass.getuser()
        except (KeyError, OSError):  # a container may run under a number that has no name
            raise typer.BadParameter("say who calls: --subject or TOUCHSTONE_SUBJECT") from None


@dataclasses.dataclass(repr=False)
class Session(Offline, Signing):
    """One command's connection and output; the connection is opened with the first call."""

    given_uri: AmqpUri = None
    token: Annotated[str | None, _option("--token", env="TOUCHSTONE_TOKEN", text="A token from any issuer.")] = None
    timeout_s: Annotated[
        float, _option("--timeout", env="TOUCHSTONE_TIMEOUT_S", text="Seconds for a call.", callback=call_s)
    ] = 30.0

    @property
    def amqp_uri(self) -> str:
        """The broker's address, with the user in the file that TOUCHSTONE_AMQP_CREDENTIALS names, if it names one.

        A usage error when there is no address, or no user in the file.
        """
        uri = required(self.given_uri, "--amqp-uri", "TOUCHSTONE_AMQP_URI")
        return _with_user(uri, "TOUCHSTONE_AMQP_CREDENTIALS", with_credentials)

    @functools.cached_property
    def client(self) -> Client:
        return Client(
            self.amqp_uri,
            self._token(),
            timeout_s=self.timeout_s,
            connect_within_s=CONNECT_WITHIN_S,
            client_name="touchstone command line",
        )

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()

    def _token(self) -> Callable[[], str] | str | None:
        if self.token and not self.token.isascii():
            raise typer.BadParameter("--token or TOUCHSTONE_TOKEN is no compact JWS")
        if self.token or not self.key or not self.role:
            return self.token  # possibly none: the public register is open to everybody
        return self.signer(self.key)


MongoUri = Annotated[str | None, typer.Option(envvar=["TOUCHSTONE_MONGO_URI", "MONGO_URI"])]
Prefix = Annotated[str, typer.Option(envvar="TOUCHSTONE_DATABASE_PREFIX")]


def database_uri(given: str | None) -> str:
    """The database's address, with the user in the file that TOUCHSTONE_MONGO_CREDENTIALS names, if it names one.

    A usage error when there is no address, or no user in the file.
    """
    uri = required(given, "--mongo-uri", "MONGO_URI")
    return _with_user(uri, "TOUCHSTONE_MONGO_CREDENTIALS", with_database_credentials)


def _with_user(uri: str, variable: str, with_user: Callable[[str, str], str]) -> str:
    if not (path := os.environ.get(variable)):
        return uri
    try:
        return with_user(uri, read_text(pathlib.Path(path)))
    except ValueError as error:  # Unreadable is one
        raise typer.BadParameter(f"{variable}: {error}") from None


def for_operators(module: str) -> Any:
    """A module of this package that knows pymongo, which only operators install. A usage error where it is missing."""
    try:
        return importlib.import_module(f"touchstone.{module}")
    except ImportError as error:
        raise typer.BadParameter("this needs pymongo: install touchstone-client[operator]") from error


def age_s(option: str, age: str | None) -> int | None:
    """`90s`, `15m`, `2h` or `3d` in seconds; a usage error for anything else."""
    if age is None:
        return None
    read = re.fullmatch(r"(\d{1,9})([smhd])", age)
    seconds = int(read[1]) * _UNITS_S[read[2]] if read else None
    if seconds is None or seconds > AGE_DAYS_MAX * _UNITS_S["d"]:
        raise typer.BadParameter(f"{option} is a number with s, m, h or d: 90s, 15m, 2h, 3d; {AGE_DAYS_MAX}d at most")
    return seconds


def required(value: str | None, option: str, variable: str) -> str:
    if not value:
        raise typer.BadParameter(f"missing: give {option} or set {variable}")
    return value


@contextlib.contextmanager
def told(output: Output, *more: type[Exception]) -> Iterator[None]:
    """Failures end the command with a message and status 1; anything else is a fault of this tool and shows itself."""
    expected: tuple[type[Exception], ...] = (*FAILURES, *more)
    try:
        yield
    except expected as failure:
        output.failure(failure)
        raise typer.Exit(1) from failure


def calling(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that its `session`, and any other parameter that is a dataclass, has as fields."""
    own = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: p.annotation for name, p in own.items() if dataclasses.is_dataclass(p.annotation)}
    fields = {name: typing.get_type_hints(group, include_extras=True) for name, group in groups.items()}
    parameters = [parameter for name, parameter in own.items() if name not in groups] + [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint, default=getattr(group, name, _NONE))
        for of, group in sorted(groups.items(), key=lambda item: item[0] == "session")  # whose options come last
        for name, hint in fields[of].items()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field: given.pop(field) for field in fields[name]})
        session = given["session"]
        with told(session.output), contextlib.closing(session):
            command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def jwks_path() -> pathlib.Path:
    """`TOUCHSTONE_JWKS`, or `jwks.json` in the directory for keys."""
    return pathlib.Path(os.environ.get("TOUCHSTONE_JWKS") or keys.default_directory() / "jwks.json")


def event_keys_path() -> pathlib.Path:
    """`TOUCHSTONE_EVENT_KEYS`, or `event-keys.json` in the directory for keys."""
    return pathlib.Path(os.environ.get("TOUCHSTONE_EVENT_KEYS") or keys.default_directory() / "event-keys.json")
