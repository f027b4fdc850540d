"""Says what code a case exercises, and which results count: those since the last commit that touched that code."""

import hashlib
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from harness.catalogue import Case
from harness.infrastructure import ANY, InfrastructureCase
from harness.results import Result
from harness.soak import Soak

from touchstone_contracts.services import SERVICES
from touchstone_devkit.folders import CHECKOUT

CHASSIS, CLIENT = "chassis", "client"
PARTS: Mapping[str, str] = {
    CHASSIS: r"libs/chassis/touchstone_chassis/|libs/contracts/touchstone_contracts/\w+\.py",
    CLIENT: r"libs/client/touchstone/",
    **{service: rf"services/{service}/{service}/|requirements/{service}\.txt" for service in SERVICES},
}
"""How the paths of each begin; to the chassis belongs what is on the wire whatever an event says."""
CHANGED = "+"


def parts_of(case: Case) -> tuple[str, ...]:
    """A soak exercises all; what strikes a service also that, and what an operator has to end also the command line."""
    if isinstance(case, Soak):
        return tuple(PARTS)
    if not isinstance(case, InfrastructureCase):
        return (CHASSIS, case.service)
    fault = case.fault
    if fault.provisions or fault.forges:
        return (CHASSIS, CLIENT)
    return (CHASSIS, fault.consumer) if fault.servers == ANY else (CHASSIS,)


def code() -> dict[str, str]:
    """For each part seven digits of what is committed of it, and `+` where the files differ from that.

    They stay the same until a commit touches the part, whatever else is committed, and in whichever order.
    """
    committed = [line.partition("\t") for line in git("ls-tree", "-r", "HEAD").splitlines()]
    changed = [line[3:] for line in git("status", "--porcelain").splitlines()]
    return {
        part: _digest(f"{blob}\t{path}" for blob, _, path in committed if re.match(beginning, path))
        + (CHANGED if any(re.match(beginning, path) for path in changed) else "")
        for part, beginning in PARTS.items()
    }


def code_of(case: Case, code: Mapping[str, str]) -> dict[str, str]:
    """What of the code it exercises."""
    return {part: code[part] for part in parts_of(case)}


def counted(results: Sequence[Result], code: Mapping[str, str]) -> list[Result]:
    """Those since which no commit touched anything that they exercise. What a changed tree gave never counts."""
    committed = {part: digits.removesuffix(CHANGED) for part, digits in code.items()}
    return [r for r in results if r.code and all(committed.get(part) == digits for part, digits in r.code.items())]


def git(*arguments: str) -> str:
    """What it prints; nothing where this is no repository."""
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.rstrip()


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:7]
