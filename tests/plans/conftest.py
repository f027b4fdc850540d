"""What the tests of query plans share: their modules on the import path, and a system that was taken through it all."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
