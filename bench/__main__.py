"""`make bench`: see `bench.command`."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # the folder itself would hide modules of the same names

from bench.command import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main())
