"""Reads a service's config file: YAML with `${ENV}` and `${ENV:default}`, checked whole before anything starts."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from marshmallow import Schema, ValidationError, fields, validate

from touchstone_contracts import addresses
from touchstone_contracts.field_errors import field_errors
from touchstone_contracts.topology import RETRY_DELAYS_S

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")
_CREDENTIALS_FILES = ("amqp_credentials_path", "mongo_credentials_path")
_FILES = ("jwks_path", "event_keys_path", "signing_key_path", *_CREDENTIALS_FILES)
JOBS_AT_ONCE = 8
_LOG_LEVELS = ("debug", "info", "warning", "error")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says everything that is wrong with it, one sentence each."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


def redact(uri: str) -> str:
    """The address without its user and password, fit for a log."""
    return _CREDENTIALS.sub("***@", uri)


def load(path: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The validated configuration in the file at `path`, defaults filled in.

    A placeholder stands in a value, never in a key. What replaces a whole value is read as YAML (`8103` is a number);
    inside a longer value it is text. A variable that is set but empty counts as not set. What a variable holds is not
    expanded again. Raises ConfigError with everything that is wrong; its sentences never quote a value.
    """
    problems: list[str] = []
    raw = _parsed(path)
    substituted = {key: _substituted(value, str(key), environ, problems) for key, value in raw.items()}
    unset = {problem.partition(":")[0] for problem in problems}
    try:
        loaded: dict[str, Any] = ConfigSchema().load(substituted)
    except ValidationError as error:
        faults = field_errors(error.normalized_messages())
        problems += [f"{e.path}: {_sentence(e.code, e.message)}" for e in faults if e.path not in unset]
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    return loaded


def for_nameko(config: Mapping[str, Any], service: str) -> dict[str, Any]:
    """What goes into nameko's global config: ours, the service's name, and nameko's own names for the same things."""
    return {
        **config,
        "AMQP_URI": _with_own_user(config, "AMQP_URI", "amqp_credentials_path", addresses.with_credentials),
        "MONGO_URI": _with_own_user(config, "MONGO_URI", "mongo_credentials_path", addresses.with_database_credentials),
        "service": service,
        # nameko's word for the places that all workers share: a call never waits for one that an event holds
        "max_workers": config["max_workers"] + config["prefetch"] + JOBS_AT_ONCE,
        "messages_at_once": config["max_workers"],
        "HEARTBEAT": config["heartbeat_s"],
        "PREFETCH_COUNT": config["prefetch"],
        "DECLARE_EVENT_EXCHANGES": False,
        "ACCEPT": ["json"],
    }


def _with_own_user(config: Mapping[str, Any], uri: str, path: str, with_user: Callable[[str, str], str]) -> str:
    """The address with the user in the file that is named under `path`, where one is. See `check_files`."""
    if not config[path]:
        return str(config[uri])
    with open(config[path], encoding="utf-8") as file:
        return with_user(config[uri], file.read())


def check_files(config: Mapping[str, Any]) -> None:
    """Raises ConfigError when a file that the configuration names cannot be read, or holds no user and should."""
    problems = []
    for name in _FILES:
        try:
            if config[name]:
                with open(config[name], encoding="utf-8") as file:
                    if name in _CREDENTIALS_FILES:
                        addresses.user_and_password(file.read())
        except OSError as error:
            problems.append(f"{name}: {config[name]} cannot be read ({error.strerror})")
        except ValueError:  # or no text
            problems.append(f"{name}: {config[name]} is not of the form user:password")
    if problems:
        raise ConfigError(problems)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML without surprises: a key that stands twice in one mapping is an error, not an override."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(problem=f"key {key} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _parsed(path: str) -> dict[Any, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            raw = yaml.load(file, _UniqueKeyLoader)
    except (OSError, UnicodeError) as error:
        raise ConfigError([f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ConfigError([f"{path}: is no YAML{where} ({getattr(error, 'problem', None)})"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: is nested too deeply"]) from None
    if not isinstance(raw, dict):
        raise ConfigError([f"{path}: must be a mapping of keys to values"])
    return raw


def _substituted(value: Any, where: str, environ: Mapping[str, str], problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {k: _substituted(v, f"{where}.{k}", environ, problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_substituted(v, f"{where}[{i}]", environ, problems) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        name, default = match.groups()
        if found := environ.get(name):
            return found
        if default is None:
            problems.append(f"{where}: the environment variable {name} is not set")
            return ""
        return str(default)

    replaced = _PLACEHOLDER.sub(replacement, value)
    return _as_yaml(replaced) if _PLACEHOLDER.fullmatch(value) else replaced


def _as_yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text  # a password may begin with a character that means something to YAML


def _sentence(code: str, message: str) -> str:
    return {"unknown_field": "is no known key", "required": "is missing"}.get(code, message[0].lower() + message[1:])


class _Whole(fields.Integer):
    """A whole number; neither text nor a truth value passes for one."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return super()._validated(value)


class _Seconds(fields.Float):
    """A length of time in seconds; neither text nor a truth value passes for one."""

    def _validated(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.make_error("invalid")
        return super()._validated(value)


class _Truth(fields.Boolean):
    """true or false as YAML knows them."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class _Names(fields.Field):
    """A comma-separated text, or a list of texts; a list of texts when loaded."""

    default_error_messages = {"invalid": "Must be names separated by commas."}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[str]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.make_error("invalid")
        names = [name.strip() for name in names if name.strip()]
        if not names:
            raise self.make_error("invalid")
        return names


def _positive(number: type[fields.Field], default: Any) -> Any:
    return number(load_default=default, validate=validate.Range(min=0, min_inclusive=False))


def _address(*schemes: str) -> Callable[[str], None]:
    """A validator whose sentence never holds the address: it may carry a password."""

    def check(value: str) -> None:
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValidationError(f"Must be an address that begins with {schemes[0]}://.")

    return check


def _broker_address(value: str) -> None:
    """As `_address`; several hosts are separated by commas."""
    _address("amqp", "amqps")(value)
    try:
        addresses.split(value)
    except ValueError as error:
        raise ValidationError(f"Must be an address of one broker: {error}.") from None


_NOT_EMPTY = validate.Length(min=1)


class ConfigSchema(Schema):
    """The keys of a service's config.yaml; times in seconds, sizes in bytes. Every other key is an error."""

    AMQP_URI = fields.String(required=True, validate=_broker_address)
    MONGO_URI = fields.String(required=True, validate=_address("mongodb", "mongodb+srv"))
    amqp_credentials_path = fields.String(load_default=None, allow_none=True)
    mongo_credentials_path = fields.String(load_default=None, allow_none=True)
    database = fields.String(
        required=True,
        validate=validate.Regexp(r"[A-Za-z0-9_-]+_[a-z0-9-]+\Z", error="Must be of the form <prefix>_<service>."),
    )
    jwks_path = fields.String(required=True, validate=_NOT_EMPTY)
    event_keys_path = fields.String(required=True, validate=_NOT_EMPTY)
    signing_key_path = fields.String(required=True, validate=_NOT_EMPTY)
    unsigned_events = fields.String(load_default="refuse", validate=validate.OneOf(["refuse", "take"]))
    audience = fields.String(required=True, validate=_NOT_EMPTY)
    issuers = _Names(required=True)
    http_host = fields.String(required=True, validate=_NOT_EMPTY)
    http_port = _Whole(required=True, validate=validate.Range(min=0, max=65535))
    sandbox = _Truth(load_default=False)
    run_deadlines = _Truth(load_default=True)
    max_workers = _positive(_Whole, 64)
    prefetch = _positive(_Whole, 64)
    heartbeat_s = _positive(_Whole, 30)
    drain_s = _positive(_Seconds, 25)
    confirm_timeout_s = _positive(_Seconds, 5)
    sweep_interval_s = _positive(_Seconds, 1)
    outbox_lag_limit_s = _positive(_Seconds, 60)
    in_step_limit_s = _positive(_Seconds, 60)
    log_level = fields.String(load_default="info", validate=validate.OneOf(_LOG_LEVELS))
    rpc_timeout_default_s = _positive(_Seconds, 30)
    message_bytes_max = _positive(_Whole, 1_048_576)
    retry_delays_s = fields.List(
        _Whole(validate=validate.Range(min=1)), load_default=lambda: list(RETRY_DELAYS_S), validate=_NOT_EMPTY
    )
    settings = fields.Dict(keys=fields.String(), load_default=dict)
