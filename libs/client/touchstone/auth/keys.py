"""Makes and reads an issuer's key pair: the private key outside the repository, the public key in a JWKS file."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from touchstone.reading import Unreadable, json_of, read_text
from touchstone_contracts import roles as known_roles
from touchstone_contracts.callers import PARTY_CLAIMS, is_name
from touchstone_contracts.services import SERVICE_OF_KEY

DEFAULT_ISSUER = "touchstone-dev"


class KeyUnusable(Exception):
    """A key cannot be made there, or is not one that may sign."""


@dataclasses.dataclass(frozen=True)
class SigningKey:
    """An issuer's private key. Its representation shows no secret."""

    issuer: str
    kid: str
    key: OKPKey = dataclasses.field(repr=False)
    roles: tuple[str, ...] | None = None
    """In which roles alone it may sign; None: in all."""
    party: tuple[str, str] | None = None
    """For which body (`cab`) or member alone it may sign; None: for all."""


@dataclasses.dataclass(frozen=True)
class KeyFiles:
    """What `init` made: whose key, its id, and where the two halves are."""

    issuer: str
    kid: str
    private_path: pathlib.Path
    jwks_path: pathlib.Path


def default_directory() -> pathlib.Path:
    """`$XDG_CONFIG_HOME/touchstone`, by default `~/.config/touchstone`."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return _expanded(pathlib.Path(home)) / "touchstone"


def _expanded(path: pathlib.Path) -> pathlib.Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise KeyUnusable(f"{path}: there is no home directory. Set XDG_CONFIG_HOME or HOME.") from None


def init(
    issuer: str,
    private_path: pathlib.Path,
    jwks_path: pathlib.Path,
    *,
    roles: Collection[str] | None = None,
    party: tuple[str, str] | None = None,
) -> KeyFiles:
    """Make a key pair: the private key into a new file with mode 0600, the public key added to the JWKS file.

    With `roles` services take no token in another role that this key signed, and with `party` (`cab` or `member`, and
    its id) none of somebody who speaks for another. Raises KeyUnusable when there is no such role, when no role speaks
    for the party, when the private key's file exists, or when git could pick it up: it must stand outside every work
    tree, or be ignored there.
    """
    if roles is not None and (not roles or set(roles) - set(known_roles.ALL)):
        raise KeyUnusable(f"A key is for one or more of the roles {', '.join(known_roles.ALL)}.")
    about: dict[str, Any] = {"iss": issuer}
    if party is not None:
        speaking = [role for role, claim in PARTY_CLAIMS.items() if claim == party[0]]
        if not speaking or not is_name(party[1]) or (roles is not None and set(roles) != set(speaking)):
            raise KeyUnusable("A key is for one body, in the role assessor, or for one member, in the role member.")
        about[known_roles.PARTY_OF_KEY] = dict([party])
        roles = speaking
    if roles is not None:
        about[known_roles.MEMBER_OF_KEY] = list(roles)
    return _init(about, private_path, jwks_path)


def init_service(service: str, private_path: pathlib.Path, jwks_path: pathlib.Path) -> KeyFiles:
    """Make the key pair with which a service signs its events; its public key is for a JWKS file of such keys alone."""
    return _init({"iss": service, SERVICE_OF_KEY: service}, private_path, jwks_path)


def _init(about: Mapping[str, Any], private_path: pathlib.Path, jwks_path: pathlib.Path) -> KeyFiles:
    private_path, jwks_path = _expanded(private_path).absolute(), _expanded(jwks_path).absolute()
    refuse_tracked_place(private_path)
    public_keys = _read_jwks(jwks_path)
    key = OKPKey.generate_key("Ed25519", private=True)
    named: dict[str, Any] = {"kid": key.thumbprint(), "use": "sig", "alg": "Ed25519", **about}
    try:
        _write_private(private_path, {**key.as_dict(private=True), **named})
        _replace(jwks_path, {"keys": [*public_keys, {**key.as_dict(private=False), **named}]})
    except OSError as error:
        raise KeyUnusable(f"{error.filename or jwks_path}: {error.strerror}.") from error
    return KeyFiles(about["iss"], named["kid"], private_path, jwks_path)


def load(private_path: pathlib.Path) -> SigningKey:
    """Read a private key; raises KeyUnusable when it is none, or when others than its owner may read the file."""
    path = _expanded(private_path)
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise KeyUnusable(f"{path} may be read by others than its owner: chmod 600 {path}")
        stored = json_of(read_text(path), str(path))
        key = OKPKey.import_key(stored)
        if not key.is_private or key.curve_name != "Ed25519":
            raise KeyUnusable(f"{path} is not the private half of an Ed25519 key.")
        named = stored.get(known_roles.MEMBER_OF_KEY)
        issuer = stored.get("iss", DEFAULT_ISSUER)
        party = next(iter(stored.get(known_roles.PARTY_OF_KEY, {}).items()), None)
        return SigningKey(issuer, stored["kid"], key, None if named is None else tuple(named), party)
    except OSError as error:
        raise KeyUnusable(f"{path}: {error.strerror}") from error
    except Unreadable as error:
        raise KeyUnusable(str(error)) from None
    except (ValueError, TypeError, KeyError, AttributeError, JoseError) as error:
        raise KeyUnusable(f"{path} is no private key as `touchstone keys init` makes it.") from error


def public_keys(jwks_path: pathlib.Path) -> list[dict[str, Any]]:
    """The keys in a JWKS file; raises KeyUnusable when there is no such file or it is none."""
    path = _expanded(jwks_path)
    if not path.exists():
        raise KeyUnusable(f"There is no {path}: make a key with `touchstone keys init`.")
    return _read_jwks(path)


def refuse_tracked_place(path: pathlib.Path) -> None:
    """Raise KeyUnusable when `path` lies in a git work tree that does not ignore it."""
    existing = next(parent for parent in path.resolve().parents if parent.is_dir())
    tree = next((parent for parent in [existing, *existing.parents] if (parent / ".git").exists()), None)
    if tree is None:
        return
    try:
        ignored = subprocess.run(
            ["git", "-C", str(tree), "check-ignore", "--quiet", str(path.resolve())], capture_output=True, check=False
        )
    except OSError:
        ignored = None
    if ignored is None or ignored.returncode != 0:
        raise KeyUnusable(f"{path} lies in the git work tree {tree} and is not ignored there: keep keys elsewhere.")


def _read_jwks(path: pathlib.Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        listed = list(json_of(read_text(path), str(path))["keys"])
    except Unreadable as error:
        raise KeyUnusable(str(error)) from None
    except (TypeError, KeyError) as error:
        raise KeyUnusable(f"{path} is no JWKS file.") from error
    if not all(isinstance(key, dict) for key in listed):
        raise KeyUnusable(f"{path} is no JWKS file.")
    return listed


def _write_private(path: pathlib.Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyUnusable(f"{path} exists already: a key is never overwritten.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)


def _replace(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Write beside and rename, so that a service never reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
