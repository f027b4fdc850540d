"""The service's own settings: there are none."""

from marshmallow import Schema


class SettingsSchema(Schema):
    """Membership has no settings of its own."""
