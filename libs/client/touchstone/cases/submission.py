"""Reads audit reports from files, and gives each the idempotency key that its content has."""

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

from touchstone.reading import Unreadable, json_of, read_text


class ReportUnreadable(Exception):
    """The file is missing, is no JSON, or holds no audit report."""


@dataclasses.dataclass(frozen=True)
class Submission:
    """One file: the report, and the `history` block beside it if there is one."""

    path: pathlib.Path
    report: dict[str, Any]
    history: dict[str, Any] | None

    def idempotency_key(self) -> str:
        """The same for the same content, whatever the file's name and layout: sending it twice is sending it once."""
        content = json.dumps([self.report, self.history], sort_keys=True, separators=(",", ":"))
        return f"file-{hashlib.sha256(content.encode()).hexdigest()}"


def read(path: pathlib.Path, history_path: pathlib.Path | None = None) -> Submission:
    """Read a report: bare, or under `report` with `history` and notes beside it. Raises ReportUnreadable."""
    content = _read_object(path)
    report = content.get("report", content)
    if not isinstance(report, dict):
        raise ReportUnreadable(f"{path}: `report` is no JSON object.")
    if report is content:
        report = {name: value for name, value in content.items() if name != "history"}
    history = _read_object(history_path) if history_path else content.get("history")
    if history is not None and not isinstance(history, dict):
        raise ReportUnreadable(f"{path}: `history` is no JSON object.")
    return Submission(path, report, history)


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json_of(read_text(path), str(path))
    except Unreadable as error:
        raise ReportUnreadable(str(error)) from None
    if not isinstance(content, dict):
        raise ReportUnreadable(f"{path} is no JSON object.")
    return content
