"""Publishes a document as the next version under its id, or says everything that stands in its way."""

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from typing import Any

from touchstone_contracts.errors import AlreadyExists, FieldError, InvalidRequest
from touchstone_contracts.field_errors import ERRORS_MAX, counted
from touchstone_contracts.publications import Publications
from touchstone_contracts.reference import Publication, differences, published

AHEAD = datetime.timedelta(hours=1)
"""How long before its first day a version must be published, at least.

No call and no commit lasts so long: when a day begins, what is effective on it is committed or was refused, and all
that is decided on that day is decided by the same version, whichever replica does it.
"""
_SHOWN_MAX = 100


def publish(
    document: Any,
    wrong: list[FieldError],
    *,
    called: str,
    publications: Publications,
    announced: Callable[[Publication], Any],
    by: str,
    now: datetime.datetime,
) -> tuple[Publication, bool]:
    """The publication, and whether it is new: the same content again is what is there already.

    `wrong` is what is wrong with the document's form, `called` what a person calls it; `announced` makes the event that
    tells of it. Raises InvalidRequest with everything that is wrong, and AlreadyExists, with what differs, where the
    version is there with another content.
    """
    given = None if wrong else published(document, by=by, at=now)
    kept = publications.get(given.id, given.version) if given else None
    if kept is not None and given is not None:
        if kept.hash != given.hash:
            raise _already_there(kept, given)
        return kept, False
    wrong = [*wrong, *_place_faults(document, {one.path for one in wrong}, publications, now)]
    if wrong or given is None:
        placed = [dataclasses.replace(one, path=f"document.{one.path}".rstrip(".")) for one in wrong]
        raise InvalidRequest(counted(len(placed), f"the {called}"), placed[:ERRORS_MAX])
    publications.add(given, [announced(given)])
    return given, True


def _place_faults(
    document: Any, unreadable: set[str], publications: Publications, now: datetime.datetime
) -> Iterator[FieldError]:
    """What stands in the way beside the form, as far as id, version and day can be read."""
    if not isinstance(document, dict):
        return
    if unreadable.isdisjoint({"id", "version"}) and document["version"] != (
        next_one := publications.newest(document["id"]) + 1
    ):
        message = f"Version {next_one - 1} is the newest that was published: the next one is {next_one}."
        yield FieldError("version", "out_of_order", message)
    if "effective_from" not in unreadable and _begin(document["effective_from"]) < now + AHEAD:
        message = "Must begin an hour from now or later (UTC): a day has one version, from its first moment on."
        yield FieldError("effective_from", "too_early", message)


def _begin(day: str) -> datetime.datetime:
    return datetime.datetime.combine(datetime.date.fromisoformat(day), datetime.time(), tzinfo=datetime.UTC)


def _already_there(kept: Publication, given: Publication) -> AlreadyExists:
    found = [
        FieldError(f"document.{path}", "differs", f"Published is {_short(there)}, given is {_short(here)}.")
        for path, there, here in differences(kept.document, given.document)
    ]
    message = f"{kept.key} is published with another content, {kept.hash}: a change is a new version."
    return AlreadyExists(message, found[:ERRORS_MAX])


def _short(value: Any) -> str:
    said = "not there" if value is None else str(value)
    return said if len(said) <= _SHOWN_MAX else f"{said[:_SHOWN_MAX]}…"
