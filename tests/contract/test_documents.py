"""The pages that repeat what code says are what the code says today."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest
from harness import document as fault_results
from harness import plot
from harness.results import Result, Results

from touchstone_contracts import document
from touchstone_contracts.errors import CODES, Refusal

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = ("docs", "libs", "services", "examples", "tests", "bench", "deploy")
FILES = [f"/{page.name}" for page in ROOT.iterdir()] + [
    f"/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")
]
HISTORY = {ROOT / "CHANGELOG.md", *(DOCS / "adr").iterdir()}
"""They tell what was."""
NO_MODULES = {"touchstone.services", "touchstone.waited_ms"}
"""An entry point, and an attribute of a span."""
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])


def dead_links(page: Path) -> list[str]:
    """Links of a page to files that are not there, or to headings that a page has not. Others are not followed."""
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", page.read_text())
    return [target for target in targets if "://" not in target and not leads_somewhere(page, target)]


def leads_somewhere(page: Path, target: str) -> bool:
    file, _, anchor = target.partition("#")
    there = page.parent / file if file else page
    return there.exists() and (not anchor or there.suffix != ".md" or anchor in anchors_of(there.read_text()))


def anchors_of(text: str) -> set[str]:
    """What GitHub calls the headings of a page; one inside a block of code is no heading."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def names_not_there(text: str) -> set[str]:
    """Modules of ours (or what is in one) and files that a page names in backticks, and that are not there."""
    modules = re.findall(r"`(touchstone(?:_\w+)?(?:\.\w+)+)`", text)
    files = re.findall(r"`([\w./-]+\.(?:py|md|svg|yml|yaml))`", text)
    return {name for name in modules if not (name in NO_MODULES or is_module(name))} | {
        name for name in files if not is_file(name)
    }


def is_file(name: str) -> bool:
    """By its path, or by the end of it where the page says whose it is."""
    return any(path.endswith(f"/{name.removeprefix('../')}") for path in FILES)


def is_module(name: str) -> bool:
    """Or a function or class of one, by its name alone."""
    parent, _, last = name.rpartition(".")
    if _source_of(name) is not None:
        return True
    source = _source_of(parent)
    return source is not None and re.search(rf"\b{last}\b", source) is not None


def _source_of(module: str) -> str | None:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(found.origin).read_text() if found and found.origin else None


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


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return Results(ROOT / "tests/faults/results.json").all


def test_the_page_of_fault_results_is_what_the_kept_results_say(results: list[Result]) -> None:
    page = fault_results.PAGE.read_text()
    picture = fault_results.PAGE.with_name(fault_results.PLOT).read_text()

    assert fault_results.filled(page, results) == page, "stale: python tests/faults --document"
    assert plot.drawn(fault_results.newest(results)) == picture, "stale: python tests/faults --document"


def test_a_result_that_the_page_does_not_know_is_seen(results: list[Result]) -> None:
    page = fault_results.PAGE.read_text()
    lost = dataclasses.replace(results[-1], seed=0, lost=1)

    assert fault_results.filled(page, [*results, lost]) != page


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
    page.write_text(
        "# The `top` of it, all\n```\n# no heading\n```\n[here](page.md#the-top-of-it-all) [top](#the-top-of-it-all)"
        "[there](https://example.org) [gone](gone.md) ![picture](gone.svg) [lost](#lost) [no](page.md#no-heading)"
    )

    assert dead_links(page) == ["gone.md", "gone.svg", "#lost", "page.md#no-heading"]


@pytest.mark.parametrize("page", [p for p in PAGES if p not in HISTORY], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_and_file_that_a_page_names_is_there(page: Path) -> None:
    assert names_not_there(page.read_text()) == set()


def test_a_module_and_a_file_that_are_not_there_are_seen() -> None:
    there = "`touchstone_chassis.outbox.relay`, `touchstone_chassis.mongo.clock.move`, `docs/glossary.md`"

    assert names_not_there(f"{there} `touchstone_chassis.lanes.x` `docs/x.md`") == {
        "touchstone_chassis.lanes.x",
        "docs/x.md",
    }
