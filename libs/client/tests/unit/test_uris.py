"""Addresses without their passwords."""

import pytest

from touchstone.rpc.uris import redacted


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("amqp://guest:secret@host:5672/v", "amqp://guest:***@host:5672/v"),
        ("mongodb://u:p@a:1,b:2/?replicaSet=rs0", "mongodb://u:***@a:1,b:2/?replicaSet=rs0"),
        ("amqp://host/", "amqp://host/"),
        ("amqp://:secret@host/", "amqp://:***@host/"),
        ("amqp://guest:with:colon/and/slash@host/", "amqp://guest:***@host/"),
    ],
)
def test_a_password_is_never_shown(uri: str, shown: str):
    assert redacted(uri) == shown
