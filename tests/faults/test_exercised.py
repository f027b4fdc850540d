"""Which results count: those since the last commit that touched what they exercise."""

import dataclasses
import subprocess
from pathlib import Path

import pytest
from harness import catalogue, document, exercised
from harness.exercised import CHASSIS, CLIENT
from harness.results import Result

from touchstone_contracts.services import SERVICES

CODE = {CHASSIS: "1111111", CLIENT: "2222222"}
AT = "2026-11-30T16:00:00+00:00"
GOOD = Result("broker/kill/load", 7, "c0ffee", AT, 0, True, 60, kind="infrastructure", code={CHASSIS: "1111111"})


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("soak", (CHASSIS, CLIENT, *SERVICES)),
        ("membership/domain/kill", (CHASSIS, "membership")),
        ("consumer/assessment-killed/rest", (CHASSIS, "assessment")),
        ("mail/kill/load", (CHASSIS, "notification")),
        ("database/lone-killed/load", (CHASSIS,)),
        ("broker/queue-deleted/load", (CHASSIS, CLIENT)),
        ("broker/forged-events/load", (CHASSIS, CLIENT)),
    ],
)
def test_a_case_exercises_the_chassis_and_what_it_strikes(name: str, parts: tuple[str, ...]) -> None:
    assert exercised.parts_of(catalogue.named(name)) == parts


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ({CHASSIS: "1111111"}, True),
        ({CHASSIS: "1111111", CLIENT: "2222222"}, True),
        ({CHASSIS: "1111111", CLIENT: "3333333"}, False),
        ({CHASSIS: "1111111+"}, False),
        ({}, False),
    ],
)
def test_a_result_counts_while_all_that_it_exercises_is_as_it_was(code: dict[str, str], counts: bool) -> None:
    result = dataclasses.replace(GOOD, code=code)

    assert exercised.counted([result], CODE) == [result] * counts
    assert exercised.counted([result], {part: f"{digits}+" for part, digits in CODE.items()}) == [result] * counts


def test_what_does_not_count_stands_under_a_heading_of_its_own_until_the_case_ran_again() -> None:
    older = dataclasses.replace(GOOD, seed=5, at="2026-11-22T16:00:00+00:00", lost=1, code={CHASSIS: "0000000"})
    of_another = dataclasses.replace(older, case="broker/term/load")

    alone, again = document.rendered([older, of_another], CODE), document.rendered([older, of_another, GOOD], CODE)

    assert "0 results count" in alone and "| broker/kill | 1 | 60 | 1 | 0 | 0 |" in alone
    assert "### Infrastructure\n" not in alone and f"### Infrastructure{document.OLDER}\n" in alone
    assert "| broker/kill | 1 | 60 | 0 | 0 | 0 |" in again and "| broker/term | 1 | 60 | 1 | 0 | 0 |" in again
    assert again.index("| broker/kill |") < again.index(document.OLDER) < again.index("| broker/term |")


def test_a_page_that_is_written_again_by_the_code_that_it_names_stays_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{document.BEGIN}{document.END}")

    document.write([GOOD], CODE, page)

    assert document.filled(page.read_text(), [GOOD]) == page.read_text()
    assert document.filled(page.read_text(), [GOOD], CODE | {CHASSIS: "9999999"}) != page.read_text()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one file of the chassis and one of a service."""
    monkeypatch.setattr(exercised, "CHECKOUT", tmp_path)
    for name in ("libs/chassis/touchstone_chassis/api.py", "services/membership/membership/service.py", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    exercised.git("init", "-q")
    commit(tmp_path)
    return tmp_path


def commit(checkout: Path) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (("add", "."), (*identity, "commit", "-qm", "one more")):
        subprocess.run(["git", *command], cwd=checkout, check=True)


def test_the_code_of_a_part_changes_with_a_commit_that_touches_it_and_with_no_other(checkout: Path) -> None:
    before = exercised.code()
    (checkout / "README.md").write_text("2\n")
    (checkout / "services/membership/membership/service.py").write_text("2\n")
    changed = exercised.code()
    commit(checkout)

    after = exercised.code()

    assert changed == before | {"membership": f"{before['membership']}+"}
    assert {part for part in after if after[part] != before[part]} == {"membership"}
