"""What the upgrade tests share: their modules to import."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
