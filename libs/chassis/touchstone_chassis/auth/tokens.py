"""Who is calling: turns a signed token into a verified caller.

A token is a compact JWS (Ed25519) that one of the issuers in the JWKS file signed; interface and claims are described
in the documents under "Callers". Time here is real time, never the domain's clock.
"""

import dataclasses
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    JoseError,
    KeyParameterError,
    MissingAlgorithmError,
    SecurityWarning,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import OKPKey

from touchstone_contracts import roles
from touchstone_contracts.callers import PARTY_CLAIMS, Caller, is_name
from touchstone_contracts.errors import Unauthenticated

LIFE_S_MAX = 300
LEEWAY_S = 5
TOKEN_LENGTH_MAX = 4096
CACHED_MAX = 10_000
ALGORITHMS = ("Ed25519", "EdDSA")
_EITHER_NAME = tuple(("alg", name) for name in ALGORITHMS)

# "EdDSA" leaves the curve open, which is why RFC 9864 replaces it. Here the key fixes the curve.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

log = structlog.get_logger()


class UnusableKeys(ValueError):
    """The JWKS file is missing, is not a JWKS, holds a private key, or holds no Ed25519 key."""


@dataclasses.dataclass(frozen=True)
class _PublicKey:
    key: OKPKey
    issuer: str | None  # a key that names its issuer vouches for no other
    roles: frozenset[str] | None = None  # nor one that names roles for a caller in another
    party: dict[str, str] | None = None  # nor one that names a body or a member for whoever speaks for another


class Verifier:
    """Verifies tokens against the public keys of a JWKS file, which is read again whenever it changes.

    `issuers` are the accepted values of `iss` (an iterable, or one string with commas). Raises UnusableKeys when the
    file cannot be used at the start; a file that breaks later leaves the last good keys in force and is logged.
    """

    def __init__(
        self,
        jwks_path: str | os.PathLike[str],
        audience: str,
        issuers: Iterable[str] | str,
        *,
        now: Callable[[], float] = time.time,
    ):
        named = issuers.split(",") if isinstance(issuers, str) else issuers
        self._path = os.fspath(jwks_path)
        self._audience = audience
        self.issuers = frozenset(issuer.strip() for issuer in named)
        self._now = now
        self._cache: dict[bytes, tuple[Caller, float]] = {}
        try:
            self._seen = _fingerprint(self._path)
        except OSError as error:
            raise UnusableKeys(f"{self._path}: {error.strerror}") from error
        self._keys = _read_keys(self._path)

    def verify(self, token: Any) -> Caller:
        """The caller that `token` proves. Raises Unauthenticated, whose message never repeats any of the token."""
        if not isinstance(token, str) or not token:
            raise Unauthenticated("This call needs a token.")
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise Unauthenticated("The token is no compact JWS.")
        self._reread_keys()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is None:
            known = self._verified(token)
            self._remember(digest, known)
        caller, expires_at = known
        if self._now() >= expires_at + LEEWAY_S:
            self._cache.pop(digest, None)
            raise _expired(self._now() - expires_at)
        return caller

    def _verified(self, token: str) -> tuple[Caller, float]:
        claims, key = self._signed_claims(token)
        self._check_addressed(claims, key)
        expires_at = self._check_times(claims)
        caller = _caller(claims)
        if key.roles is not None and caller.role not in key.roles:
            raise Unauthenticated("The token's key is not for this role.")
        if key.party is not None and key.party != {PARTY_CLAIMS.get(caller.role): caller.party}:
            raise Unauthenticated("The token's key is not for this party.")
        return caller, expires_at

    def _signed_claims(self, token: str) -> tuple[dict[str, Any], _PublicKey]:
        chosen: list[_PublicKey] = []

        def key_of(signature: Any) -> OKPKey:
            kid = signature.headers().get("kid")
            found = self._keys.get(kid) if isinstance(kid, str) else None
            if found is None:
                raise Unauthenticated("The token's key is not known here.")
            chosen.append(found)
            return found.key

        try:
            decoded = jwt.decode(token, key_of, algorithms=ALGORITHMS)
        except Unauthenticated:
            raise
        except (UnsupportedAlgorithmError, MissingAlgorithmError):
            raise Unauthenticated(f"A token's algorithm is {', or '.join(ALGORITHMS)}.") from None
        except KeyParameterError:
            raise Unauthenticated("The token's key is not for signing tokens.") from None
        except BadSignatureError:
            raise Unauthenticated("The token's signature is not valid.") from None
        # a header or payload that is not of the right form surfaces as any of these
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Unauthenticated("The token is no compact JWS with claims.") from None
        return decoded.claims, chosen[0]

    def _check_addressed(self, claims: dict[str, Any], key: _PublicKey) -> None:
        issuer = _name(claims, "iss")
        if issuer not in self.issuers:
            raise Unauthenticated("The token's issuer is not accepted here.")
        if key.issuer not in (None, issuer):
            raise Unauthenticated("The token's key belongs to another issuer.")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise Unauthenticated("The token is meant for somebody else.")

    def _check_times(self, claims: dict[str, Any]) -> float:
        issued_at, expires_at = _moment(claims, "iat"), _moment(claims, "exp")
        now = self._now()
        if not 0 < expires_at - issued_at <= LIFE_S_MAX:
            raise Unauthenticated(f"A token may live for {LIFE_S_MAX} seconds at most.")
        not_before = max(issued_at, _moment(claims, "nbf") if "nbf" in claims else issued_at)
        if not_before > now + LEEWAY_S:
            raise Unauthenticated(f"The token is not valid yet: in {not_before - now:.0f} s, by this service's clock.")
        if now >= expires_at + LEEWAY_S:
            raise _expired(now - expires_at)
        return expires_at

    def _remember(self, digest: bytes, known: tuple[Caller, float]) -> None:
        if len(self._cache) >= CACHED_MAX:
            now = self._now()
            self._cache = {d: k for d, k in self._cache.items() if k[1] > now}
        if len(self._cache) >= CACHED_MAX:
            self._cache.clear()
        self._cache[digest] = known

    def _reread_keys(self) -> None:
        try:
            seen = _fingerprint(self._path)
            if seen == self._seen:
                return
            self._seen = seen
            self._keys = _read_keys(self._path)
        except (OSError, UnusableKeys) as error:
            log.warning("jwks_unusable", path=self._path, error=type(error).__name__)
            return
        self._cache.clear()  # a key that was taken out vouches for nobody any more
        log.info("jwks_read", path=self._path, keys=len(self._keys))


def _expired(ago_s: float) -> Unauthenticated:
    return Unauthenticated(f"The token has expired: {ago_s:.0f} s ago, by this service's clock.")


def _caller(claims: dict[str, Any]) -> Caller:
    _name(claims, "jti")
    subject, role = _name(claims, "sub"), _name(claims, "role")
    if role not in roles.ALL:
        raise Unauthenticated("The token names a role that does not exist.")
    party = PARTY_CLAIMS.get(role)
    named = {party: _name(claims, party)} if party else {}
    return Caller(subject=subject, role=role, issuer=_name(claims, "iss"), **named)


def _name(claims: dict[str, Any], claim: str) -> str:
    value: Any = claims.get(claim)
    if not is_name(value):
        raise Unauthenticated(f"The token has no proper claim {claim!r}.")
    return str(value)


def _moment(claims: dict[str, Any], claim: str) -> float:
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unauthenticated(f"The token has no proper claim {claim!r}.")
    return value


def _fingerprint(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_keys(path: str) -> dict[str, _PublicKey]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            listed = json.load(file)["keys"]
        keys = [entry for entry in listed if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519"]
        if any("d" in entry for entry in keys):
            raise UnusableKeys(f"{path} holds a private key; services need the public keys only.")
        by_kid = {
            _kid(entry): _PublicKey(_key(entry), entry.get("iss"), _roles(entry), _party(entry)) for entry in keys
        }
    except OSError as error:
        raise UnusableKeys(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, JoseError) as error:
        raise error if isinstance(error, UnusableKeys) else UnusableKeys(f"{path} is no JWKS file.") from error
    if not by_kid or len(by_kid) < len(keys):
        raise UnusableKeys(f"{path} must hold at least one Ed25519 key, each with a kid of its own.")
    return by_kid


def _key(entry: dict[str, Any]) -> OKPKey:
    """A key for one name of the algorithm is for the other, too."""
    return OKPKey.import_key({name: value for name, value in entry.items() if (name, value) not in _EITHER_NAME})


def _roles(entry: dict[str, Any]) -> frozenset[str] | None:
    """What cannot be read must not count as "all"."""
    if roles.MEMBER_OF_KEY not in entry:
        return None
    named = entry[roles.MEMBER_OF_KEY]
    if not isinstance(named, list) or not all(isinstance(role, str) for role in named):
        raise ValueError(roles.MEMBER_OF_KEY)
    return frozenset(named)


def _party(entry: dict[str, Any]) -> dict[str, str] | None:
    if roles.PARTY_OF_KEY not in entry:
        return None
    named = entry[roles.PARTY_OF_KEY]
    if not isinstance(named, dict) or len(named) != 1 or not named.keys() <= set(PARTY_CLAIMS.values()):
        raise ValueError(roles.PARTY_OF_KEY)
    if not all(is_name(id) for id in named.values()):
        raise ValueError(roles.PARTY_OF_KEY)
    return named


def _kid(entry: dict[str, Any]) -> str:
    kid = entry["kid"]
    if not isinstance(kid, str) or not kid:
        raise ValueError("kid")
    return kid
