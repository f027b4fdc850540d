"""Signs events with the key of the service that tells of them, and knows by whom one was signed.

A signature is a compact JWS (RFC 7515, Ed25519) whose payload is the SHA-256 digests, one after the other, of the
bodies that were signed together: many events that are committed at once cost one signature, and the check of one.
"""

import base64
import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from touchstone_chassis.auth.tokens import UnusableKeys
from touchstone_contracts.services import SERVICE_OF_KEY

log = structlog.get_logger(__name__)

TOGETHER_MAX = 16
"""So many bodies have a signature in common: each message carries the digests of all."""
LENGTH_MAX = 2048
UNSIGNED, FORGED = "unsigned", "forged"
_CHECKED_MAX = 10_000
_DIGEST_BYTES = 32


class NotSigned(Exception):
    """Nobody who may say so has signed the message. `reason`: unsigned or forged."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


class Signer:
    """Signs with the private key of one service."""

    def __init__(self, key: OKPKey, kid: str):
        self._key: Any = key.get_op_key("sign")
        self._head = _head(kid)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Signer":
        """The key in a file as `touchstone keys init --service` makes it. Raises UnusableKeys."""
        try:
            with open(path, encoding="utf-8-sig") as file:
                stored = json.load(file)
            return cls(_ed25519(OKPKey.import_key(stored)), stored["kid"])
        except OSError as error:
            raise UnusableKeys(f"{path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, RecursionError, JoseError) as error:
            raise UnusableKeys(f"{path} is no private key as `touchstone keys init --service` makes it.") from error

    def sign(self, bodies: Sequence[bytes]) -> Iterator[str]:
        """The signature of each body, in order."""
        for start in range(0, len(bodies), TOGETHER_MAX):
            together = bodies[start : start + TOGETHER_MAX]
            signed = self._head + b"." + _encoded(b"".join(hashlib.sha256(body).digest() for body in together))
            signature = (signed + b"." + _encoded(self._key.sign(signed))).decode()
            yield from [signature] * len(together)


class Signatures:
    """Checks signatures by the public keys of all services, in a JWKS file that is read again whenever it changes."""

    def __init__(self, path: str | os.PathLike[str]):
        """Raises UnusableKeys."""
        self._path = os.fspath(path)
        self._changed_at = -1
        self._keys: dict[bytes, tuple[str, Any]] = {}
        self._checked: dict[str, tuple[str, bytes]] = {}
        self._read()

    def check(self, signature: str | None, body: bytes, signers: Collection[str]) -> None:
        """Return if one of the services `signers` has signed `body`. Raises NotSigned."""
        if not signature:
            raise NotSigned(UNSIGNED, "the message bears no signature")
        self._read_again()
        known = self._checked.get(signature) or self._remember(signature, self._opened(signature))
        service, digests = known
        if service not in signers:
            raise NotSigned(FORGED, f"signed by {service}, not by {' or '.join(signers)}")
        at = digests.find(hashlib.sha256(body).digest())
        if at < 0 or at % _DIGEST_BYTES:
            raise NotSigned(FORGED, "the signature is of another message")

    def _opened(self, signature: str) -> tuple[str, bytes]:
        """Who signed, and the digests of what."""
        try:
            if len(signature) > LENGTH_MAX:
                raise ValueError
            head, payload, value = signature.encode("ascii").split(b".")
            service, key = self._keys[head]
            key.verify(_decoded(value), head + b"." + payload)
            return service, _decoded(payload)
        except KeyError:
            raise NotSigned(FORGED, "signed with a key that is not known here") from None
        except (InvalidSignature, ValueError):
            raise NotSigned(FORGED, "the signature is not valid") from None

    def _remember(self, signature: str, opened: tuple[str, bytes]) -> tuple[str, bytes]:
        if len(self._checked) >= _CHECKED_MAX:
            self._checked.clear()
        self._checked[signature] = opened
        return opened

    def _read_again(self) -> None:
        try:
            if os.stat(self._path).st_mtime_ns != self._changed_at:
                self._read()
        except (OSError, UnusableKeys) as error:  # the last good keys stay in force
            log.warning("event_keys_unusable", path=self._path, error=type(error).__name__)

    def _read(self) -> None:
        try:
            self._changed_at = os.stat(self._path).st_mtime_ns
            with open(self._path, encoding="utf-8-sig") as file:
                listed = json.load(file)["keys"]
            if any("d" in entry for entry in listed):
                raise UnusableKeys(f"{self._path} holds a private key; services need the public keys only.")
            keys = {_head(entry["kid"]): (entry[SERVICE_OF_KEY], _public(entry)) for entry in listed}
            if not keys:
                raise UnusableKeys(f"{self._path} holds no key.")
        except OSError as error:
            raise UnusableKeys(f"{self._path}: {error.strerror}") from error
        except UnusableKeys:
            raise
        except (ValueError, TypeError, KeyError, RecursionError, JoseError) as error:
            raise UnusableKeys(f"{self._path} is no JWKS file with the keys of services.") from error
        self._keys = keys
        self._checked.clear()  # a key that was taken out vouches for nothing any more


def _public(entry: dict[str, Any]) -> Any:
    return _ed25519(OKPKey.import_key(entry)).get_op_key("verify")


def _ed25519(key: OKPKey) -> OKPKey:
    """Raises ValueError for a key of another curve, which may not even sign."""
    if key.curve_name != "Ed25519":
        raise ValueError(key.curve_name)
    return key


def _head(kid: str) -> bytes:
    """The first part of each signature of a key: as it is always the same, it need not be read."""
    return _encoded(json.dumps({"alg": "Ed25519", "kid": kid}, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
