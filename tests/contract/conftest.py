"""Puts the corpus of bad input on the import path, for tests that go through every schema."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
