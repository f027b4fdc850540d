"""Names the folders of this checkout that everything started or downloaded here lives in."""

import os
import secrets
import time
from pathlib import Path

CHECKOUT = Path(os.environ.get("TOUCHSTONE_CHECKOUT") or Path(__file__).resolve().parents[3])
STATE = CHECKOUT / ".touchstone"
"""Git ignores it; removing it loses nothing but downloads, logs and development keys."""
RUNS = STATE / "run"
DATA = "data"
"""In a run's folder, what goes with the run. TOUCHSTONE_DATA names a folder that it is put into, one in memory, say."""


def new_run_folder() -> Path:
    """A folder of its own for everything that one owner starts: data, logs and the list of what must end with it."""
    folder = RUNS / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True, mode=0o700)
    elsewhere = os.environ.get("TOUCHSTONE_DATA")
    if elsewhere:
        data = Path(elsewhere) / f"touchstone-{folder.name}"
        data.mkdir(parents=True, mode=0o700)
        (folder / DATA).symlink_to(data)
    return folder
