"""What the repositories ask of a unit of work beforehand."""

from collections.abc import Mapping
from typing import Any

Question = tuple[str, Mapping[str, Any], Mapping[str, int] | None, int]
"""Collection, filter, projection and limit of what `find` is going to be asked; the limit of `find_one` is 1."""
