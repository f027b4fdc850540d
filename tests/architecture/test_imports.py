"""Who may import what: `.importlinter`, and what domain and contracts may see; each rule with a planted violation."""

import ast
import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

from touchstone_contracts.services import SERVICES

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".importlinter"
PACKAGES = (
    ROOT / "libs/contracts/touchstone_contracts",
    ROOT / "libs/chassis/touchstone_chassis",
    ROOT / "libs/client/touchstone",
    ROOT / "libs/devkit/touchstone_devkit",
    *(ROOT / "services" / name / name for name in SERVICES),
)
PLANTS = {
    "layers": ("certification/storage/cases.py", "import certification.application.decide_case"),
    "no-circle": ("certification/domain/members.py", "import certification.domain.cases.case"),
    "house": ("touchstone_chassis/__init__.py", "import membership.service"),
    "product-without-tests": ("touchstone/rpc/uris.py", "import pytest"),
    "chassis-layers": ("touchstone_chassis/amqp/connections.py", "import touchstone_chassis.rpc.server"),
    "client-layers": ("touchstone/events/words.py", "import touchstone.cases.history"),
    "chassis-by-its-api": ("membership/service.py", "import touchstone_chassis.rpc.server"),
    "http-without-nameko": ("touchstone_chassis/config.py", "import eventlet"),
    "pure-domain": ("certification/domain/members.py", "import touchstone_chassis"),
    "contracts-stand-alone": ("touchstone_contracts/roles.py", "import pymongo"),
    "client-stands-alone": ("touchstone/provisioning/provision.py", "import eventlet"),
    "pymongo-in-stores": ("certification/service.py", "import pymongo"),
    "pika-in-the-client": ("touchstone_chassis/__init__.py", "import pika"),
    "nameko-at-the-edge": ("certification/storage/cases.py", "import nameko"),
}
"""One violation for each contract: a file, relative to its package's parent, and the line that is added to it."""
MORE_PLANTS = (
    ("house", ("membership/service.py", "import certification.service")),
    ("house", ("membership/service.py", "import touchstone_devkit")),
    ("house", ("touchstone/rpc/uris.py", "import touchstone_chassis")),
    ("house", ("touchstone/rpc/uris.py", "import membership.service")),
    ("house", ("touchstone_contracts/roles.py", "import touchstone_chassis")),
    ("no-circle", ("touchstone_chassis/rpc/replies.py", "import touchstone_chassis.rpc.server")),
)
"""What else a contract sees."""

DOMAIN_MAY_IMPORT = {"dateutil", *(f"touchstone_contracts.{m}" for m in ("values", "errors", "registry", "roles"))}
IMPURE = {
    "asyncio",
    "ftplib",
    "http",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "smtplib",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
"""Of the standard library, what reads a clock, makes chance or does I/O."""
CLOCKS = {"now", "utcnow", "today"}

_RUN = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(config_filename=sys.argv[1], limit_to_contracts=tuple(sys.argv[2:]), no_cache=True, no_logo=True))
"""


def lint(sources: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Check contracts against the packages in a folder, in a process that knows no other copy of them."""
    return subprocess.run(
        [sys.executable, "-c", _RUN, str(CONFIG), *contracts],
        cwd=sources,
        env=os.environ | {"PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages side by side in a folder of their own."""
    folder = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def planted(copied: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The copy, for the time of one test with one line too many."""
    name, line = request.param
    path = copied / name
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    yield copied
    path.write_text(before)


def contract_ids() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(CONFIG)
    return [
        s.removeprefix("importlinter:contract:") for s in parser.sections() if s.startswith("importlinter:contract:")
    ]


def test_every_import_contract_holds(copied: Path) -> None:
    result = lint(copied, *contract_ids())

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(contract_ids())} kept, 0 broken" in result.stdout


@pytest.mark.other_pythons
@pytest.mark.parametrize(("contract", "planted"), [*PLANTS.items(), *MORE_PLANTS], indirect=["planted"])
def test_an_import_contract_sees_its_violation(planted: Path, contract: str) -> None:
    result = lint(planted, contract)

    assert result.returncode == 1
    assert "0 kept, 1 broken" in result.stdout, result.stdout + result.stderr


def test_every_import_contract_has_its_planted_violation() -> None:
    assert sorted(contract_ids()) == sorted(PLANTS)


def imported(source: str) -> set[str]:
    """Full names of the modules that a module imports; `from touchstone_contracts import b` counts as its `b`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "touchstone_contracts":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def beyond(source: str, allowed: Set[str], forbidden: Set[str] = frozenset()) -> list[str]:
    """Imports that are neither allowed nor of the standard library, or of it and forbidden all the same."""
    ours = {name for name in imported(source) if any(name == a or name.startswith(f"{a}.") for a in allowed)}
    strange = imported(source) - ours
    return sorted(n for n in strange if n.split(".")[0] not in sys.stdlib_module_names or n.split(".")[0] in forbidden)


def clocks_read(source: str) -> list[str]:
    """Calls that ask what time it is."""
    calls = [n.func for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    return [ast.unparse(f) for f in calls if isinstance(f, ast.Attribute) and f.attr in CLOCKS]


def domain_modules() -> list[Path]:
    """Modules of a service's domain, in a file, in files whose names begin so, or in a folder."""
    found = [p for name in SERVICES for p in (ROOT / "services" / name / name).glob("domain*")]
    return sorted(m for p in found for m in (p.rglob("*.py") if p.is_dir() else [p]))


def test_there_is_a_domain_in_every_service() -> None:
    assert {path.relative_to(ROOT / "services").parts[0] for path in domain_modules()} == set(SERVICES)


@pytest.mark.parametrize("path", domain_modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_domain_sees_the_standard_library_its_own_events_and_nothing_that_acts(path: Path) -> None:
    service = path.relative_to(ROOT / "services").parts[0]
    allowed = DOMAIN_MAY_IMPORT | {f"touchstone_contracts.events.{service}", f"{service}.domain"}
    allowed |= {f"{service}.{p.stem}" for p in path.parent.glob("domain*.py")}

    assert beyond(path.read_text(), allowed, IMPURE) == []
    assert clocks_read(path.read_text()) == []


@pytest.mark.parametrize("path", sorted(PACKAGES[0].rglob("*.py")), ids=lambda p: p.stem)
def test_the_contracts_see_marshmallow_and_the_standard_library_only(path: Path) -> None:
    assert beyond(path.read_text(), {"marshmallow", "touchstone_contracts"}) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pymongo",
        "import random",
        "from uuid import uuid4",
        "import os.path",
        "from touchstone_contracts.events import assessment",
        "from touchstone_contracts.envelope import wrap",
        "from .storage import Cases",
        "import certification.storage.cases",
    ],
)
def test_an_import_that_the_domain_may_not_have_is_seen(line: str) -> None:
    allowed = DOMAIN_MAY_IMPORT | {"touchstone_contracts.events.certification", "certification.domain"}

    assert (
        len(beyond(f"import datetime\nfrom touchstone_contracts.values import Level\n{line}\n", allowed, IMPURE)) == 1
    )


@pytest.mark.parametrize("call", ["datetime.date.today()", "datetime.datetime.now(UTC)", "datetime.utcnow()"])
def test_a_clock_that_is_read_is_seen(call: str) -> None:
    assert len(clocks_read(f"issued_on = {call}")) == 1
