"""The services of Touchstone: the one list of their names."""

SERVICES = ("membership", "assessment", "certification", "notification")
