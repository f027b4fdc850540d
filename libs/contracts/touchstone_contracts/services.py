"""The services of Touchstone: the one list of their names."""

SERVICES = ("membership", "assessment", "certification", "notification")

WITH_CASES = ("assessment", "certification", "notification")
"""Those that know where a case stands with them, and answer `list_unfinished`."""
