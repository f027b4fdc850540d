"""Addresses of broker and database as people may see them: without the password."""

import re

_CREDENTIALS = re.compile(r"(?<=://)(?P<user>[^:/@]*):[^@]*(?=@)")


def redacted(uri: str) -> str:
    """`amqp://user:***@host/vhost` for `amqp://user:secret@host/vhost`; anything without a password as it is."""
    return _CREDENTIALS.sub(r"\g<user>:***", uri)
