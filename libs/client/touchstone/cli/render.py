"""Shows answers to people and to programs: tables or JSON, addresses masked, nothing that could steer a terminal."""

import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from touchstone.rpc.client import NoAnswer
from touchstone_contracts.errors import Refusal
from touchstone_contracts.texts import BIDI_CONTROLS, CONTROLS

WIDTH_WITHOUT_TERMINAL = 100_000
"""Wider than anything: who reads a file line by line must find a row, and an id, on one."""
_ROWS_SHOWN_MAX = 12
_ADDRESS_KEYS = {"address", "email", "to"}
_ASK_FOR_HELP = {"internal_error", "unavailable", "conflict", "in_progress"}
_BREAKING = re.compile(r"[\t\n\x0b\x0c\r\x85\u2028\u2029]+")
_STEERING = re.compile(rf"[{CONTROLS}{BIDI_CONTROLS}\u061c\u200e\u200f]")


def clean(value: Any) -> str:
    """`value` as one line that cannot steer a terminal: what others wrote may hold line breaks and escape sequences."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", _BREAKING.sub(" ", str(value)))


def masked(value: Any, key: str = "") -> Any:
    """`value` with every contact address in it masked: `p•••@example.org`."""
    if isinstance(value, Mapping):
        return {name: masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, key) for inner in value]
    if key in _ADDRESS_KEYS and isinstance(value, str):
        local, at, domain = value.partition("@")
        return f"{local[:1]}•••{at}{domain}"
    return value


def console(stream: TextIO) -> Console:
    """A console that wraps at the terminal's width, and not at all where there is no terminal."""
    return Console(file=stream, highlight=False, width=None if stream.isatty() else WIDTH_WITHOUT_TERMINAL)


class Output:
    """Standard output and standard error of one command, for people or as JSON."""

    def __init__(self, *, as_json: bool):
        self.as_json = as_json
        self.out = console(sys.stdout)
        self.err = console(sys.stderr)

    def json(self, value: Any, *, indent: int | None = 2) -> None:
        """Print `value` as JSON: one document, or one line with `indent=None`."""
        print(_dumps(value, indent), file=sys.stdout, flush=True)

    def line(self, text: Any, style: str = "") -> None:
        _print_line(self.out, text, style)

    def block(self, text: str) -> None:
        """Print a text of several lines, each set in, so that none passes for one of ours."""
        for line in text.split("\n"):
            self.line(f"  {line}")

    def answer(self, title: str, value: Mapping[str, Any]) -> None:
        """Print one answer."""
        if self.as_json:
            self.json(value)
        else:
            self.facts(title, masked(value))

    def facts(self, title: str, value: Mapping[str, Any]) -> None:
        """Print what is known of one thing: names and values, its lists as tables after them."""
        self.line(title, style="bold")
        simple, tables = _parts(value)
        grid = Table.grid(padding=(0, 2))
        for name, text in simple:
            grid.add_row(Text(f"  {name}", style="dim"), Text(text))
        self.out.print(grid)
        for name, rows in tables:
            self.table(f"  {name}", rows)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
        """Print rows under the `columns`, by default all that any row has."""
        names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
        made = Table(title=Text(clean(title)), title_justify="left", box=None, padding=(0, 2), pad_edge=True)
        for name in names:
            made.add_column(Text(clean(name)), style="", header_style="dim", overflow="fold")
        for row in rows:
            made.add_row(*(Text(_brief(row.get(name))) for name in names))
        self.out.print(made)

    def failure(self, error: BaseException, *, subject: str = "") -> None:
        """Print to standard error what went wrong, every listed fault on a line of its own."""
        if self.as_json:
            about = {"subject": subject} if subject else {}
            print(_dumps({**about, **error_object(error)}, None), file=sys.stderr, flush=True)
            return
        lead = f"{subject}: " if subject and not str(error).startswith(subject) else ""
        code = f"{error.code}: " if isinstance(error, Refusal) else ""
        _print_line(self.err, f"{lead}{code}{error}", "red")
        for problem in getattr(error, "errors", ()):
            _print_line(self.err, f"  {problem.path or '-'}  {problem.code}  {problem.message}")
        for note in notes(error):
            _print_line(self.err, f"  {note}", "dim")


def _print_line(to: Console, text: Any, style: str = "") -> None:
    """Where there is no terminal a line stays whole, however long: its rest could pass for the next one."""
    to.print(Text(clean(text), style=style), soft_wrap=not to.is_terminal)


def notes(error: BaseException) -> list[str]:
    """What a person may do next, or needs in order to ask for help."""
    if isinstance(error, NoAnswer):
        return [f"It may have been carried out. Ask again with --idempotency-key {error.idempotency_key}"]
    if isinstance(error, Refusal) and error.code == "unauthenticated":
        return ["Give --token or TOUCHSTONE_TOKEN, or a private key (--key, TOUCHSTONE_KEY) and for which --role."]
    if isinstance(error, Refusal) and error.code in _ASK_FOR_HELP:
        return list(getattr(error, "__notes__", ()))
    return []


def error_object(error: BaseException) -> dict[str, Any]:
    """The error object of a refusal; of any other failure one with a code of this tool's own."""
    if isinstance(error, Refusal):
        return error.as_dict()
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    extra = {"idempotency_key": error.idempotency_key} if isinstance(error, NoAnswer) else {}
    return {"code": code, "message": str(error), "errors": [], "retryable": isinstance(error, OSError), **extra}


def _parts(value: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, list[Mapping[str, Any]]]]]:
    """(name, text) for what fits on a line, (name, rows) for lists of objects that are short enough to show."""
    simple: list[tuple[str, str]] = []
    tables: list[tuple[str, list[Mapping[str, Any]]]] = []
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(row, Mapping) for row in inner):
            if len(inner) <= _ROWS_SHOWN_MAX:
                tables.append((name, inner))
            else:
                simple.append((name, f"{len(inner)} entries (--json shows them)"))
        elif isinstance(inner, Mapping) and any(isinstance(part, (dict, list)) for part in inner.values()):
            nested, nested_tables = _parts(inner)
            simple += [(f"{name}.{key}", text) for key, text in nested]
            tables += [(f"{name}.{key}", rows) for key, rows in nested_tables]
        else:
            simple.append((name, _brief(inner)))
    return simple, tables


_WORDINGS = {
    frozenset({"code", "version"}): "{code} {version}",
    frozenset({"id", "name", "country"}): "{name}, {country} ({id})",
    frozenset({"kind", "id"}): "{kind} {id}",
}


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        wording = _WORDINGS.get(frozenset(value))
        if wording:
            return clean(wording.format_map(value))
        return ", ".join(f"{clean(key)}={_brief(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return ", ".join(_brief(inner) for inner in value) or "-"
    return clean(value)


def _dumps(value: Any, indent: int | None) -> str:
    def plain(other: Any) -> Any:
        return dataclasses.asdict(other) if dataclasses.is_dataclass(other) else str(other)  # type: ignore[arg-type]

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(masked(value), indent=indent, ensure_ascii=not utf8, default=plain)
    return re.sub(r"[\x7f-\x9f\u200e-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", text)
