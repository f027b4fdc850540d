"""Signs the short-lived tokens by which a caller shows who is calling, in which role."""

import time
import uuid
from typing import Any

from joserfc import jwt

from touchstone.auth.keys import SigningKey
from touchstone_contracts import roles
from touchstone_contracts.callers import PARTY_CLAIMS, is_name

AUDIENCE = "touchstone"
LIFE_S_MAX = 300
ALGORITHM = "Ed25519"


class TokenUnsignable(ValueError):
    """The role, the party that it speaks for, or the life asked for is not one that a token may have."""


def sign(
    key: SigningKey,
    subject: str,
    role: str,
    cab: str | None = None,
    member: str | None = None,
    audience: str = AUDIENCE,
    life_s: int = LIFE_S_MAX,
    issuer: str | None = None,
) -> str:
    """A compact JWS for `subject` in `role`; an assessor names its `cab`, a member its `member`.

    `issuer` defaults to the key's. Raises TokenUnsignable; a token never lives for more than 300 seconds.
    """
    party = _party(role, cab, member)
    if key.roles is not None and role not in key.roles:
        raise TokenUnsignable(f"This key is for the roles {', '.join(key.roles)} alone.")
    if key.party is not None and party != dict([key.party]):
        raise TokenUnsignable(f"This key is for the {key.party[0]} {key.party[1]} alone.")
    for name in (subject, issuer or key.issuer, *party.values()):
        if not is_name(name):
            raise TokenUnsignable("Who is calling, for whom and by which issuer: one visible line for each.")
    if not 0 < life_s <= LIFE_S_MAX:
        raise TokenUnsignable(f"A token lives for 1 to {LIFE_S_MAX} seconds.")
    now = int(time.time())
    claims = {
        "iss": issuer or key.issuer,
        "sub": subject,
        "role": role,
        "aud": audience,
        "iat": now,
        "exp": now + life_s,
        "jti": uuid.uuid4().hex,
        **party,
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key.key, algorithms=[ALGORITHM])


def _party(role: str, cab: str | None, member: str | None) -> dict[str, str]:
    if role not in roles.ALL:
        raise TokenUnsignable(f"There is no role {role!r}; there are {', '.join(roles.ALL)}.")
    given = {name: value for name, value in (("cab", cab), ("member", member)) if value}
    wanted = PARTY_CLAIMS.get(role)
    if wanted and wanted not in given:
        raise TokenUnsignable(f"The role {role} speaks for a {wanted}: name it.")
    if set(given) - {wanted}:
        raise TokenUnsignable(f"The role {role} does not speak for a {' or a '.join(sorted(set(given) - {wanted}))}.")
    return given


class Signer:
    """A callable that gives a token with at least half of its life left, signing a new one only when needed.

    Takes the arguments of `sign`.
    """

    def __init__(self, key: SigningKey, subject: str, role: str, *, life_s: int = LIFE_S_MAX, **options: Any):
        self._arguments = {"key": key, "subject": subject, "role": role, "life_s": life_s, **options}
        self._life_s = life_s
        self._signed: tuple[str, float] = sign(**self._arguments), time.time()

    def __call__(self) -> str:
        token, signed_at = self._signed
        if not 0 <= time.time() - signed_at < self._life_s / 2:
            token = sign(**self._arguments)
            self._signed = token, time.time()
        return token
