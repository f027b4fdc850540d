"""Lets tests import what the peers share, as a peer's own process does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
