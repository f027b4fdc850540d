"""Records a release: `python -m touchstone_devkit.releases 0.2.0` writes what the installed code promises."""

import hashlib
import sys
from pathlib import Path

from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.releases.recording import write

RELEASES = CHECKOUT / "libs" / "contracts" / "releases"
SUMS = "SHA256SUMS"


def sums(folder: Path) -> str:
    """The sums of every record below `folder`, in the form that `sha256sum -c` reads."""
    files = sorted(folder.glob("*/*.json"))
    return "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in files)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m touchstone_devkit.releases VERSION", file=sys.stderr)
        return 2
    try:
        write(RELEASES / arguments[0])
    except FileExistsError:
        print(f"{RELEASES / arguments[0]} is there already: a record never changes", file=sys.stderr)
        return 1
    (RELEASES / SUMS).write_text(sums(RELEASES))
    print(f"recorded in {RELEASES / arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
