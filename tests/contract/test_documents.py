"""The pages that repeat what code says are what the code says today."""

import re
from pathlib import Path

import pytest

from touchstone_contracts import document
from touchstone_contracts.errors import CODES, Refusal

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    p
    for pattern in ("*.md", "docs/**/*.md", "libs/*/*.md", "services/*/*.md", "examples/**/*.md")
    for p in ROOT.glob(pattern)
)


def dead_links(page: Path) -> list[str]:
    """Links of a page to files that are not there. Links elsewhere and anchors are not followed."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    return [t for t in targets if "://" not in t and not (page.parent / t).exists()]


def codes_in(page: str) -> dict[str, str]:
    """Code and meaning of each row of the table of error codes: `| \\`code\\` | yes or no | meaning |`."""
    return {m[1]: m[3] for m in re.finditer(r"^\| `([a-z_]+)` \| (yes|no) \| (.+) \|$", page, re.MULTILINE)}


def retryable_in(page: str) -> set[str]:
    return {m[1] for m in re.finditer(r"^\| `([a-z_]+)` \| yes \|", page, re.MULTILINE)}


def test_the_page_of_events_is_what_the_registry_says() -> None:
    assert (DOCS / "events.md").read_text() == document.page(), (
        "stale: python -m touchstone_contracts.document > docs/events.md"
    )


def test_a_stale_page_of_events_is_seen() -> None:
    stale = document.page().replace("Last day of validity.", "Last day of use.", 1)

    assert stale != document.page()


def test_the_interface_page_lists_every_error_code_with_its_meaning() -> None:
    page = (DOCS / "interface.md").read_text()

    assert codes_in(page) == CODES
    assert retryable_in(page) == {c.code for c in Refusal.__subclasses__() if c.retryable and c.code in CODES}


def test_a_missing_and_a_reworded_error_code_are_seen() -> None:
    page = "| `not_found` | no | Gone fishing. |\n| `conflict` | yes | Try again. |\n"

    assert codes_in(page) == {"not_found": "Gone fishing.", "conflict": "Try again."}
    assert codes_in(page) != CODES
    assert retryable_in(page) == {"conflict"}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[here](page.md#top) [there](https://example.org) [gone](gone.md) ![picture](gone.svg)")

    assert dead_links(page) == ["gone.md", "gone.svg"]
