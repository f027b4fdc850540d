"""Who may come in by an entrypoint: known roles, said by every entrypoint, proven by a token."""

from collections.abc import Sequence

from touchstone_chassis.handlers.resources import Resources
from touchstone_contracts import roles as known_roles
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Forbidden, Unauthenticated


def checked_roles(roles: Sequence[str], *, public_allowed: bool) -> tuple[str, ...]:
    """The roles, if they are known ones. Nothing is open by default, and commands never are: raises TypeError."""
    if tuple(roles) == known_roles.PUBLIC and public_allowed:
        return tuple(roles)
    if not roles or not set(roles) <= set(known_roles.ALL):
        raise TypeError(f"an entrypoint names who may call it: some of {', '.join(known_roles.ALL)}")
    return tuple(roles)


def authenticate(resources: Resources, token: str | None, roles: Sequence[str]) -> Caller | None:
    """The caller, if it holds one of `roles`. None only where the public may read and no token came."""
    if token is None:
        if tuple(roles) == known_roles.PUBLIC:
            return None
        raise Unauthenticated("This call needs a token.")
    caller = resources.verifier.verify(token)
    if tuple(roles) != known_roles.PUBLIC and caller.role not in roles:
        raise Forbidden(f"The role {caller.role} may not do this.")
    return caller
