"""Reads the example cases and what the register must know before them."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from touchstone_devkit.folders import CHECKOUT

EXAMPLES = CHECKOUT / "examples"


@dataclasses.dataclass(frozen=True)
class Case:
    """One example: the report, how it comes in (`import` or `submit`) and what must become of it.

    `outcome` is issued, refused, held, not_submitted, or what became of the certificate of the case titled `after`
    (maintained, renewed, suspended …); `rule` the row of the decision table; `problems` the codes of all errors of a
    report that is not taken; `published` the fields of a public certificate, None where not published.
    """

    title: str
    source: str
    via: str
    outcome: str
    report: dict[str, Any]
    after: str | None = None
    level: str | None = None
    rule: str | None = None
    problems: Sequence[str] = ()
    history: dict[str, Any] | None = None
    published: dict[str, Any] | None = None

    @property
    def member_id(self) -> str:
        return self.report["member_id"]

    @property
    def body_id(self) -> str:
        return self.report["body_id"]

    @property
    def unpublished(self) -> list[str]:
        """What the source of a public certificate does not say: there the register's answer is illustrative."""
        asked = {"number": "number", "level": "level", "body": "body", "expires_on": "last day"}
        return [name for field, name in asked.items() if self.published and self.published[field] is None]


def load_cases(folder: Path = EXAMPLES) -> list[Case]:
    """The cases of `cases.json`, in its order."""
    return [_case(folder, listed) for listed in _read(folder / "cases.json")]


def load_setup(folder: Path = EXAMPLES) -> dict[str, Any]:
    """What the register must know first: members, entities, facilities, contacts, bodies, auditors and the mandate."""
    return _read(folder / "setup.json")


def addresses_to_tell(setup: dict[str, Any], case: Case) -> Counter[str]:
    """The address of everyone who must hear of a decision on `case`: the member's, the body's, the Secretariat's."""
    parties = {("member", case.member_id), ("body", case.body_id), ("secretariat", "secretariat")}
    told = (c for c in setup["contacts"] if (c["party"]["kind"], c["party"]["id"]) in parties)
    return Counter(c["address"] for c in told if c.get("active", True) and "email" in c["channels"])


def _case(folder: Path, listed: dict[str, Any]) -> Case:
    source = listed.pop("file")
    content = _read(folder / source)
    told = content if "report" in content else {"report": content}
    return Case(source=source, **listed, **told)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
