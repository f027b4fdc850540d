"""`make demo` does the main job on real servers, checks itself, and ends with 0; or with 1 when something is amiss."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.demo.cases import EXAMPLES


@pytest.fixture
def demo_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The servers that the tests use, with a virtual host that the demo takes for itself."""
    if os.environ.get("TOUCHSTONE_SYSTEM") == "external":
        pytest.skip("the demo starts a system of its own")
    backing: Backing = request.getfixturevalue("backing")
    if not backing.management_uri:
        pytest.skip("without the management API this broker gives no virtual host of its own")
    servers = {"AMQP_URI": backing.amqp_uri, "MONGO_URI": backing.mongo_uri}
    return {**os.environ, **servers, "AMQP_MANAGEMENT_URI": backing.management_uri}


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchstone_devkit.demo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
def test_the_demo_ends_well_and_leaves_notices_and_certificates(
    demo_environment: dict[str, str], tmp_path: Path
) -> None:
    done = demo(demo_environment, "--folder", str(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "notices").glob("*.eml"))) == 64
    certificate = json.loads((tmp_path / "certificate-195.json").read_text())
    assert certificate["expires_on"] == "2025-04-10"


@pytest.mark.long
def test_the_demo_fails_when_what_comes_out_is_not_what_was_published(
    demo_environment: dict[str, str], tmp_path: Path
) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(EXAMPLES, examples)
    wrong = examples / "published" / "certificate-195.json"
    wrong.write_text(wrong.read_text().replace('"expires_on": "2025-04-10"', '"expires_on": "2025-04-11"'))

    done = demo(demo_environment, "--examples", str(examples), "--folder", str(tmp_path))

    assert done.returncode == 1
    assert "Qatalum, Mesaieed, register: expires_on is '2025-04-10', not '2025-04-11'" in done.stdout
