"""The form of the service's own settings."""

from marshmallow import Schema


class SettingsSchema(Schema):
    """There are none: a key that an earlier release knew, such as `standards_folder`, stops the start."""
