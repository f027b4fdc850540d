"""The roles a caller may hold. A token names exactly one."""

SECRETARIAT = "secretariat"
REGISTRAR = "registrar"
ASSESSOR = "assessor"
MEMBER = "member"
OPERATOR = "operator"

ALL = (SECRETARIAT, REGISTRAR, ASSESSOR, MEMBER, OPERATOR)

PUBLIC = ("public",)
"""Allows a call without a token: for reading the public register, and nothing else."""
