"""Releases as folders of code: which code a process must run, and what the next release changes."""

import types
from pathlib import Path
from typing import Any

import pytest
from rolling import releases
from rolling.releases import PACKAGES, Release

from touchstone_devkit.folders import CHECKOUT

OURS = CHECKOUT / "libs" / "contracts" / "touchstone_contracts" / "__init__.py"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """One that has the contracts and nothing else of its own."""
    (tmp_path / "touchstone_contracts").mkdir()
    return Release("toy", (tmp_path,))


def a_system(folder: Path, *lines: str) -> Any:
    """All that is asked of a system here: where its notes are."""
    (folder / "origins").write_text("".join(f"{line}\n" for line in lines))
    return types.SimpleNamespace(folder=folder)


def test_a_package_is_at_home_in_the_release_or_with_us(release: Release, tmp_path: Path) -> None:
    assert release.home("touchstone_contracts") == tmp_path / "touchstone_contracts" / "__init__.py"
    assert release.home("certification") == CHECKOUT / "services" / "certification" / "certification" / "__init__.py"
    assert {releases.current().home(package).is_file() for package in PACKAGES} == {True}


def test_a_process_that_took_a_package_from_elsewhere_is_seen(release: Release, tmp_path: Path) -> None:
    chassis = release.home("touchstone_chassis")
    right = f"7 touchstone_contracts {release.home('touchstone_contracts')}"
    system = a_system(tmp_path, right, f"7 touchstone_chassis {chassis}", f"8 touchstone_contracts {OURS}")

    assert release.foreign(system, 7) == {}
    system = a_system(tmp_path, f"7 touchstone_contracts {OURS}", f"7 touchstone_chassis {chassis}")
    assert release.foreign(system, 7) == {"touchstone_contracts": str(OURS)}


def test_a_process_that_noted_nothing_is_seen(release: Release, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="was noted of 7"):
        release.foreign(a_system(tmp_path, f"8 touchstone_contracts {OURS}"), 7)


def test_a_commit_that_is_not_here_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(releases.NoHistory, match="0000000 cannot be had here"):
        releases.previous(tmp_path, commit="0" * 40)


def test_a_next_release_differs_from_ours_in_two_events(tmp_path: Path) -> None:
    next_one = releases.following(tmp_path)

    text = (tmp_path / "touchstone_contracts" / "events" / "certification.py").read_text()
    assert text.count('"certification.certificate_issued",') == 2
    assert "version=2, replaces=CertificateIssuedV1" in text and "def downcast" in text
    assert "urgency: str" in (tmp_path / "touchstone_contracts" / "events" / "assessment.py").read_text()
    assert next_one.home("touchstone_contracts").is_relative_to(tmp_path)


def test_what_a_next_release_would_change_and_does_not_find_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text("x = 1\n")

    with pytest.raises(AssertionError, match=r"service\.py holds 0 times what is to be changed"):
        releases._replace(tmp_path / "service.py", "y = 1", "y = 2")
