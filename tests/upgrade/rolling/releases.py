"""Releases as folders of code that a service finds before ours: an earlier commit, or a next one made here."""

import dataclasses
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import touchstone_contracts
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.system.runner import SERVICES, System

PREVIOUS = "71ae650ae32d2aa997f0e31a0074b6c2d672ec1c"
"""The commit of the release before."""
PACKAGES = ("touchstone_contracts", "touchstone_chassis", "touchstone", *SERVICES)
_PROBE = Path(__file__).parent / "probe"


class NoHistory(Exception):
    """This copy of the repository does not hold the commit."""


@dataclasses.dataclass(frozen=True)
class Release:
    """Code that a service may run: the folders that come before ours on the path, and where the configurations are."""

    name: str
    path: tuple[Path, ...] = ()
    services: Path = CHECKOUT / "services"
    queues: tuple[str, ...] = ()
    """Those that ours does not read."""
    knows_users: bool = True
    """Whether it makes users of the broker."""
    rule_set: int = 2
    """The newest one that it knows."""

    def deploy(self, system: System, service: str) -> None:
        """Start the service anew with this release's code. Raises AssertionError if it found other code than that."""
        system.restart(service, self.environment(system), services=self.services)
        wrong = self.foreign(system, system.processes[service].pid)
        assert not wrong, f"{service} should run {self.name} and took {wrong}"

    def provision(self, system: System) -> None:
        """What this release needs of broker and database, beside what is there."""
        users = system.making_users if self.knows_users else ()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "touchstone.cli", "provision", *users],
            env={
                **os.environ,
                **system.environment,
                **self.environment(system),
                "TOUCHSTONE_AMQP_URI": system.amqp_uri,  # a release before ours takes it rather than AMQP_URI
            },
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def environment(self, system: System) -> dict[str, str]:
        path = os.pathsep.join([str(folder) for folder in (_PROBE, *self.path)] + _inherited())
        notes = str(system.folder / "origins")
        noted = {"UPGRADE_ORIGINS": notes, "UPGRADE_PACKAGES": " ".join(PACKAGES)}
        # As docs/evolving.md has it while a release runs that neither signs nor tells records.
        unknown = {"ASSESSMENT_UNKNOWN_REFERENCES": "take"}
        return {"PYTHONPATH": path, "TOUCHSTONE_UNSIGNED_EVENTS": "take", **unknown, **noted}

    def foreign(self, system: System, pid: int) -> dict[str, str]:
        """Packages that the process took from elsewhere than from where this release has them."""
        taken = origins(system, pid)
        assert {"touchstone_contracts", "touchstone_chassis"} <= taken.keys(), (
            f"only {sorted(taken)} was noted of {pid}"
        )
        return {package: origin for package, origin in taken.items() if Path(origin) != self.home(package)}

    def home(self, package: str) -> Path:
        """Where this release has the package: the first folder of its path that holds it, else our own."""
        for folder in (*self.path, *_ours()):
            if (folder / package).is_dir():
                return folder / package / "__init__.py"
        raise LookupError(package)


def _inherited() -> list[str]:
    return [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


def _ours() -> list[Path]:
    return [*(CHECKOUT / "libs").iterdir(), *(CHECKOUT / "services").iterdir()]


def origins(system: System, pid: int) -> dict[str, str]:
    """Where a process that was started with the probe took our packages from."""
    lines = [line.split(maxsplit=2) for line in (system.folder / "origins").read_text().splitlines()]
    return {package: origin for noted, package, origin in lines if noted == str(pid)}


def current() -> Release:
    return Release("ours")


def previous(folder: Path, commit: str = PREVIOUS) -> Release:
    """The code of an earlier commit, unpacked into `folder`. Raises NoHistory."""
    done = subprocess.run(["git", "archive", commit], cwd=CHECKOUT, capture_output=True, check=False)
    if done.returncode != 0:
        raise NoHistory(f"{commit[:7]} cannot be had here: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.3 and older know none
        archive.extractall(folder)
    path = (*sorted((folder / "libs").iterdir()), *sorted((folder / "services").iterdir()))
    return Release(
        f"commit {commit[:7]}",
        tuple(p for p in path if p.name != "devkit"),
        folder / "services",
        knows_users=False,
        rule_set=1,
    )


def following(folder: Path, *, forgets_the_old: bool = False) -> Release:
    """A release after ours: AuditAccepted has one more attribute, CertificateIssued a second version.

    One that `forgets_the_old` publishes the second only, a release too early. Only what has to differ is copied and
    changed. Raises AssertionError when ours no longer reads as expected.
    """
    shutil.copytree(Path(touchstone_contracts.__file__).parent, folder / "touchstone_contracts")
    for service in ("assessment", "certification", "notification"):
        shutil.copytree(CHECKOUT / "services" / service / service, folder / service)
    _add_an_attribute(folder)
    _add_a_version(folder)
    if forgets_the_old:
        _replace(folder / "touchstone_contracts" / "events" / "certification.py", "def downcast(", "def told_before(")
    return Release("the next", (folder,), queues=("notification.certification.certificate_issued.v2",))


def _add_an_attribute(folder: Path) -> None:
    _replace(
        folder / "touchstone_contracts" / "events" / "assessment.py",
        '    ratings: dict[str, int] = detail("How many criteria got each rating."',
        '    urgency: str = detail("How soon to decide.", example="normal", default="normal")\n'
        '    ratings: dict[str, int] = detail("How many criteria got each rating."',
    )
    made = folder / "assessment" / "domain" / "audits" / "audit.py"
    _replace(made, "            AuditAccepted(\n", '            AuditAccepted(\n                urgency="high",\n')
    read = folder / "certification" / "application" / "translation.py"
    _replace(
        read,
        "    return Audit(\n        audit_id=event.audit_id,",
        '    assert event.urgency in ("normal", "high")\n    return Audit(\n        audit_id=event.audit_id,',
    )


_SECOND_VERSION = """

    @classmethod
    def upcast(cls, old):
        told = {f.name: getattr(old, f.name) for f in dataclasses.fields(old)}
        return cls(scope=told.pop("scope_text"), **told)

    def downcast(self):
        told = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return CertificateIssuedV1(scope_text=told.pop("scope"), **told)
"""


def _add_a_version(folder: Path) -> None:
    """Version 2 calls `scope_text` `scope`; it is published in both."""
    contracts = folder / "touchstone_contracts" / "events" / "certification.py"
    text = contracts.read_text()
    begin = text.index('@event(\n    "certification.certificate_issued",')
    first = text[begin : text.index("\n\n\n@event(", begin)]
    second = first.replace("version=1", "version=2, replaces=CertificateIssuedV1").replace("scope_text:", "scope:")
    both = first.replace("class CertificateIssued:", "class CertificateIssuedV1:") + "\n\n\n" + second + _SECOND_VERSION
    assert first.count("version=1") == first.count("scope_text:") == first.count("class CertificateIssued:") == 1
    contracts.write_text(
        text.replace(first, both.rstrip("\n")).replace("import datetime\n", "import dataclasses\nimport datetime\n", 1)
    )
    _replace(
        folder / "certification" / "domain" / "certificates" / "certificate.py", "scope_text=record", "scope=record"
    )
    # What it stores is read by the release before as long as that one may come back: documents change in steps, too.
    stored = "    facts: dict[str, Any] = type(event).schema.dump(event)\n"
    both = '    if "scope" in facts:\n        facts["scope_text"] = facts["scope"]\n'
    _replace(folder / "notification" / "application" / "translation.py", stored, stored + both)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} holds {text.count(old)} times what is to be changed: {old!r}"
    path.write_text(text.replace(old, new))
