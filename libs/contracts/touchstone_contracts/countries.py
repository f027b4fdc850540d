"""Countries: the codes of ISO 3166-1 alpha-2 that are assigned, one list for everybody."""

import importlib.resources
import json

_FILE = importlib.resources.files("touchstone_contracts") / "iso-3166-1.json"

COUNTRIES = frozenset[str](json.loads(_FILE.read_text(encoding="utf-8"))["codes"])
"""Neither what is reserved (UK, EU), withdrawn (SU, AN), nor left to users (XK, ZZ)."""
