"""Ids in requests: made where left out, refused where taken, or where nothing is known by them."""

import uuid
from typing import Any

from membership.domain.organisations.organisation import Organisation
from membership.storage.organisations import Organisations
from touchstone_contracts.errors import AlreadyExists, FieldError, NotFound


def new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex}"


def refuse_taken(found: Any, path: str, id: str) -> None:
    if found is not None:
        message = f"The id {id} is taken."
        raise AlreadyExists(message, [FieldError(path, "already_exists", message)])


def unknown(path: str, id: str) -> NotFound:
    message = f"There is nothing by the id {id}."
    return NotFound(message, [FieldError(path, "not_found", message)])


def known_organisation(organisations: Organisations, id: str, *, path: str = "member_id") -> Organisation:
    organisation = organisations.get(id)
    if organisation is None:
        raise unknown(path, id)
    return organisation
