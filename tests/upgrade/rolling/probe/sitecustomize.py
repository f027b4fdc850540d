"""Notes, in a process whose PYTHONPATH begins with this folder, where it takes our packages from."""

import importlib.machinery
import os
import sys

_FILE, _PACKAGES = os.environ["UPGRADE_ORIGINS"], os.environ["UPGRADE_PACKAGES"].split()


class _Notes:
    """Finds nothing itself: says what the finders that come after it are about to find."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in _PACKAGES:
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            with open(_FILE, "a") as notes:
                notes.write(f"{os.getpid()} {name} {spec.origin if spec else None}\n")
        return None


sys.meta_path.insert(0, _Notes)
