"""Every command that a page shows is there: subcommands and options of `touchstone`, and targets of make."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from touchstone.cli.app import app

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "libs", "services", "examples", "tests", "bench")
HISTORY = {ROOT / "docs" / "adr", ROOT / "CHANGELOG.md"}
"""They tell what was."""
PAGES = [
    page
    for page in sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
    if not HISTORY & {page, page.parent}
]
COMMANDS: Any = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_SHOWN = re.compile(
    r"`((?:touchstone|make) [^`\n]+)`|^(?:\$ |docker compose run --rm )?((?:touchstone|make) .*)$", re.MULTILINE
)


def shown(text: str) -> Iterator[list[str]]:
    """The words of every command in backticks, or on a line of its own in a block."""
    blocks = re.split(r"^```.*$", text, flags=re.MULTILINE)
    for number, part in enumerate(blocks):
        for inline, line in _SHOWN.findall(part):
            if inline or number % 2:
                yield (inline or line.partition("#")[0]).split()


def wrong(words: list[str]) -> str:
    """What of a command is not there; empty when all is."""
    if words[0] == "make":
        return "" if words[1] in TARGETS or "=" in words[1] else f"make {words[1]}"
    command: Any = COMMANDS
    for number, word in enumerate(words[1:], 1):
        subcommands = getattr(command, "commands", {})
        option = re.match(r"\[?(--[a-z-]+)", word)
        if word in subcommands:
            command = subcommands[word]
        elif option and not _takes(command, option[1]):
            return f"{' '.join(words[:number])} {option[1]}"
        elif subcommands and re.fullmatch(r"[a-z-]+", word) and not word.startswith("-") and not _runs_alone(command):
            return " ".join(words[: number + 1])
    return ""


def _takes(command: Any, option: str) -> bool:
    return option == "--help" or any(option in (*p.opts, *p.secondary_opts) for p in command.params)


def _runs_alone(command: Any) -> bool:
    """A group that is a command, too: a word may be the value of an option of its own."""
    return bool(command.invoke_without_command)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_that_a_page_shows_is_there(page: Path) -> None:
    assert {told for words in shown(page.read_text()) if (told := wrong(words))} == set()


def test_a_command_an_option_and_a_target_that_are_not_there_are_seen() -> None:
    text = (
        "`touchstone fly`, `touchstone provision --gently`, `touchstone keys sing`, `make tea`, `touchstone keys init`"
    )

    assert [wrong(words) for words in shown(text)] == [
        "touchstone fly",
        "touchstone provision --gently",
        "touchstone keys sing",
        "make tea",
        "",
    ]
    assert [wrong(words) for words in shown("```\n$ touchstone verify 195 --by me\n```\n")] == [
        "touchstone verify 195 --by"
    ]
