"""Gives a service its own part of the config, checked before the service starts."""

from typing import Any

from marshmallow import Schema, ValidationError
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.config import ConfigError
from touchstone_contracts.field_errors import field_errors


def validated(schema: Schema, settings: Any) -> dict[str, Any]:
    """`settings` as `schema` loads it. Raises ConfigError with everything that is wrong; it quotes no value."""
    try:
        loaded: dict[str, Any] = schema.load(settings)
        return loaded
    except ValidationError as error:
        faults = field_errors(error.normalized_messages())
        raise ConfigError([f"{f'settings.{e.path}'.rstrip('.')}: {e.message}" for e in faults]) from None


class Settings(DependencyProvider):
    """The config's `settings`, loaded by the service's schema: a dict in handlers. Start stops with ConfigError."""

    def __init__(self, schema: Schema):
        self._schema = schema
        self._settings: dict[str, Any] = {}

    def setup(self) -> None:
        self._settings = validated(self._schema, config["settings"])

    def get_dependency(self, worker_ctx: Any) -> dict[str, Any]:
        return self._settings
