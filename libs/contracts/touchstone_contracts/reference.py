"""Reference data: the form of a published version, its canonical text and hash, and which version a day has."""

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from touchstone_contracts.fields import Text
from touchstone_contracts.plain import is_plain

CONFIDENCES = ("sourced", "recalled", "design", "uncertain")
DEPTH_MAX = 32


class Sourced(Schema):
    """What every value of reference data says beside the value: where it comes from, and how sure that is."""

    source = Text(1_000, required=True)
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edition:
    """One version under an id, without what it says: from which day on it applies, and the hash of its content."""

    id: str
    version: int
    effective_from: datetime.date
    hash: str

    @property
    def key(self) -> str:
        return edition_key(self.id, self.version)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Publication(Edition):
    """An edition with its content, a canonical text that never changes, and who published it.

    `published_at` is None of what a release brought along: that was there before anybody could publish.
    """

    content: str
    published_by: str
    published_at: datetime.datetime | None

    @property
    def document(self) -> dict[str, Any]:
        """The content as it was handed in: a new object each time."""
        read: dict[str, Any] = json.loads(self.content)
        return read


def edition_key(id: str, version: int) -> str:
    """What names one version of one id, in the database and as the subject of its event: `decision-table/2`."""
    return f"{id}/{version}"


def published(document: Mapping[str, Any], *, by: str, at: datetime.datetime | None) -> Publication:
    """The publication of a document whose form was checked: it has an `id`, a `version` and a day `effective_from`.

    `at` is kept to the millisecond, as a database does.
    """
    content = canonical(document)
    return Publication(
        id=document["id"],
        version=document["version"],
        effective_from=datetime.date.fromisoformat(document["effective_from"]),
        hash=hash_of(content),
        content=content,
        published_by=by,
        published_at=at and at.replace(microsecond=at.microsecond // 1000 * 1000),
    )


def canonical(document: Mapping[str, Any]) -> str:
    """The one text of a document, whatever the order and spacing it came in: names sorted, nothing between them.

    That is RFC 8785 where names are ASCII and numbers have 53 bits. Raises ValueError for what has more than one
    spelling, numbers with a fraction above all, and for what is no JSON.
    """
    if not is_plain(document, depth_max=DEPTH_MAX):
        raise ValueError("Only objects, lists, texts, whole numbers, true, false and null have one canonical text.")
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_of(content: str) -> str:
    """`sha256:` and the SHA-256 of a canonical text, as UTF-8, in hexadecimal digits."""
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def effective_on(editions: Iterable[Edition], day: datetime.date) -> Edition | None:
    """The edition that applies on a day: of those that are effective by then the one with the highest version."""
    return max((e for e in editions if e.effective_from <= day), key=lambda e: e.version, default=None)


def differences(kept: Any, given: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two documents differ: the path, what is kept and what was given there; None where there is nothing."""
    if isinstance(kept, dict) and isinstance(given, dict):
        for name in sorted({*kept, *given}):
            yield from differences(kept.get(name), given.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(kept, list) and isinstance(given, list):
        for index in range(max(len(kept), len(given))):
            yield from differences(_at(kept, index), _at(given, index), f"{path}[{index}]")
    elif (type(kept), kept) != (type(given), given):
        yield path, kept, given


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None
