"""What the upgrade tests share: their modules and those of the fault tests to import."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "faults")]
