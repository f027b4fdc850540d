"""The roles a caller may hold. A token names exactly one."""

SECRETARIAT = "secretariat"
REGISTRAR = "registrar"
ASSESSOR = "assessor"
MEMBER = "member"
OPERATOR = "operator"

ALL = (SECRETARIAT, REGISTRAR, ASSESSOR, MEMBER, OPERATOR)

MEMBER_OF_KEY = "touchstone:roles"
"""The member of a JWKS entry, a list, that names the only roles in which its key may sign; without it: in all."""

PARTY_OF_KEY = "touchstone:party"
"""The member of a JWKS entry, `{"cab": ID}` or `{"member": ID}`, that names the only party for which its key may sign;
without it: for all."""

PUBLIC = ("public",)
"""Allows a call without a token: for reading the public register, and nothing else."""

FOLLOWERS = (OPERATOR, SECRETARIAT, REGISTRAR)
"""Who may follow any case: neither a body nor a member, who would see other people's."""
