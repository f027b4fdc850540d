"""How many examples a property test draws: all of them, or the part that TOUCHSTONE_EXAMPLES says."""

import os

SHARE = float(os.environ.get("TOUCHSTONE_EXAMPLES", "1"))


def examples(number: int) -> int:
    return max(1, round(number * SHARE))
