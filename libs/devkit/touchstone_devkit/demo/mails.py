"""Reads the notices that the SMTP server took."""

import email
import email.policy
from pathlib import Path

from touchstone_devkit.demo.checks import Mail


def read_mails(folder: Path) -> list[Mail]:
    """Every `.eml` file in `folder`, oldest first; the recipient is the envelope's."""
    return [_mail(path) for path in sorted(folder.glob("*.eml"))]


def _mail(path: Path) -> Mail:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    return Mail(message_id=str(message["Message-ID"]).strip(), recipient=str(message["X-Envelope-To"]).strip())
