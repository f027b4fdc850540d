"""The form of the service's own settings."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from notification.data.delivery_ladder import DELAYS_S
from touchstone_contracts.fields import NAME_LENGTH_MAX, Text

TLS = ("none", "starttls", "implicit")


def _seconds(**bounds: Any) -> fields.Field:
    return fields.Float(required=True, validate=validate.Range(min=0, min_inclusive=False, **bounds))


class SmtpSchema(Schema):
    """The mail server. The password is no setting: it stands in the environment, in TOUCHSTONE_SMTP_PASSWORD."""

    host = fields.String(required=True, validate=validate.Length(1))
    port = fields.Integer(required=True, strict=True, validate=validate.Range(1, 65535))
    tls = fields.String(required=True, validate=validate.OneOf(TLS))
    helo_name = fields.String(required=True, validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9.-]*\Z"))
    ca_path = fields.String(load_default=None, allow_none=True)
    user = fields.String(load_default=None, allow_none=True)
    timeout_s = _seconds(max=60)
    exchange_s_max = _seconds(max=25)  # less than the time for which a job is claimed

    @validates_schema
    def check_password_is_protected(self, data: dict[str, Any], **_: Any) -> None:
        if data["user"] and data["tls"] == "none":
            raise ValidationError("A password is not sent in the clear: with a user, tls must be starttls or implicit.")


class SettingsSchema(Schema):
    smtp = fields.Nested(SmtpSchema, required=True)
    sender = fields.Email(required=True)
    sender_name = Text(NAME_LENGTH_MAX, required=True)
    message_id_domain = fields.String(required=True, validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9.-]*\Z"))
    register_url = fields.URL(load_default=None, allow_none=True, schemes={"http", "https"}, require_tld=False)
    retry_delays_s = fields.List(_seconds(), load_default=lambda: list(DELAYS_S))
    check_after_s = _seconds()
    batch = fields.Integer(required=True, strict=True, validate=validate.Range(1, 500))
