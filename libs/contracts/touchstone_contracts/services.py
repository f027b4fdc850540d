"""The services of Touchstone: the one list of their names."""

SERVICES = ("membership", "assessment", "certification", "notification")

WITH_CASES = ("assessment", "certification", "notification")
"""Those that know where a case stands with them, and answer `list_unfinished`."""

SERVICE_OF_KEY = "touchstone:service"
"""The member of a JWKS entry that names the service whose events its key signs."""
