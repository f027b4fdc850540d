"""Keeps who a service is at a server, `user:password`, in a file that only its owner can read; each is made once."""

import os
import pathlib
import secrets

from touchstone.auth import keys
from touchstone.provisioning.provision import ProvisioningFailed
from touchstone.reading import Unreadable, read_text
from touchstone_contracts.addresses import user_and_password


def user_name(prefix: str, who: str) -> str:
    """Installations on one server have users of their own."""
    return f"{prefix}-{who}"


def kept_password(path: pathlib.Path, user: str) -> str:
    """The one in the file, `user:password`; else a new one, written there first.

    Raises ProvisioningFailed, and KeyUnusable for a place that git would find.
    """
    keys.refuse_tracked_place(path.absolute())
    if path.exists():
        try:
            return user_and_password(read_text(path))[1]
        except Unreadable as error:
            raise ProvisioningFailed([str(error)]) from None
        except ValueError:
            problem = f"{path} is not of the form user:password; without it a new one is made."
            raise ProvisioningFailed([problem]) from None
    password = secrets.token_urlsafe(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{user}:{password}\n")
    except OSError as error:
        raise ProvisioningFailed([f"{path} cannot be written ({error.strerror})"]) from None
    return password
