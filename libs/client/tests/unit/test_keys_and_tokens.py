"""Key pairs and the tokens signed with them."""

import base64
import json
import pathlib
import subprocess
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from typer.testing import CliRunner

from touchstone.auth import keys, tokens
from touchstone.auth.keys import KeyUnusable
from touchstone.auth.tokens import Signer, TokenUnsignable, sign
from touchstone.cli.app import app

pytestmark = pytest.mark.usefixtures("fixed_time")


@pytest.fixture
def made(tmp_path: pathlib.Path) -> keys.KeyFiles:
    return keys.init("asi", tmp_path / "private" / "asi.key.json", tmp_path / "jwks.json")


def claims_of(token: str, made: keys.KeyFiles) -> dict[str, Any]:
    (public,) = keys.public_keys(made.jwks_path)
    decoded = jwt.decode(token, OKPKey.import_key(public), algorithms=["Ed25519"])
    assert decoded.header["kid"] == public["kid"] == made.kid
    return decoded.claims


def test_the_private_key_is_for_its_owner_only_and_the_jwks_holds_only_the_public_half(made: keys.KeyFiles):
    (public,) = keys.public_keys(made.jwks_path)

    assert made.private_path.stat().st_mode & 0o777 == 0o600
    assert "d" not in public
    assert (public["iss"], public["kid"], public["crv"]) == ("asi", made.kid, "Ed25519")


def test_a_second_issuer_joins_the_same_jwks(made: keys.KeyFiles, tmp_path: pathlib.Path):
    keys.init("test-lab", tmp_path / "lab.key.json", made.jwks_path)

    assert [key["iss"] for key in keys.public_keys(made.jwks_path)] == ["asi", "test-lab"]


def test_a_key_is_never_overwritten(made: keys.KeyFiles):
    before = made.private_path.read_text()

    with pytest.raises(KeyUnusable, match="exists already"):
        keys.init("asi", made.private_path, made.jwks_path)

    assert made.private_path.read_text() == before
    assert len(keys.public_keys(made.jwks_path)) == 1


def test_a_private_key_is_not_made_inside_a_repository_unless_git_ignores_the_place(tmp_path: pathlib.Path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(".touchstone/\n")

    with pytest.raises(KeyUnusable, match="work tree"):
        keys.init("asi", tmp_path / "deep" / "er" / "asi.key.json", tmp_path / "jwks.json")
    ignored = keys.init("asi", tmp_path / ".touchstone" / "asi.key.json", tmp_path / "jwks.json")

    assert ignored.private_path.exists()
    assert not (tmp_path / "deep").exists()


def test_a_key_that_others_may_read_does_not_sign(made: keys.KeyFiles):
    made.private_path.chmod(0o640)

    with pytest.raises(KeyUnusable, match="chmod 600"):
        keys.load(made.private_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kty": "OKP"}'])
def test_what_is_no_private_key_is_refused(tmp_path: pathlib.Path, content: str):
    path = tmp_path / "k.json"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(KeyUnusable):
        keys.load(path)


def test_a_public_key_does_not_sign(made: keys.KeyFiles, tmp_path: pathlib.Path):
    path = tmp_path / "k.json"
    path.write_text(json.dumps(keys.public_keys(made.jwks_path)[0]))
    path.chmod(0o600)

    with pytest.raises(KeyUnusable, match="private half"):
        keys.load(path)


def test_the_secret_is_not_in_the_keys_representation(made: keys.KeyFiles):
    secret = json.loads(made.private_path.read_text())["d"]

    assert secret not in repr(keys.load(made.private_path))


def test_a_token_says_who_calls_in_which_role_and_for_how_long(made: keys.KeyFiles):
    token = sign(keys.load(made.private_path), "dnv-reports", "assessor", cab="dnv", life_s=60)

    claims = claims_of(token, made)
    assert (claims["iss"], claims["sub"], claims["role"], claims["cab"]) == ("asi", "dnv-reports", "assessor", "dnv")
    assert claims["aud"] == "touchstone"
    assert claims["exp"] - claims["iat"] == 60
    assert abs(claims["iat"] - time.time()) < 5
    assert claims["jti"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"role": "emperor"},
        {"role": "assessor"},
        {"role": "member", "cab": "dnv"},
        {"role": "secretariat", "cab": "dnv"},
        {"role": "operator", "life_s": 301},
        {"role": "operator", "life_s": 0},
        {"role": "operator", "subject": ""},
        {"role": "operator", "subject": "a\nb"},
        {"role": "operator", "issuer": "\0"},
        {"role": "assessor", "cab": " dnv"},
    ],
)
def test_a_token_that_services_would_refuse_is_not_signed(made: keys.KeyFiles, arguments: dict[str, Any]):
    with pytest.raises(TokenUnsignable):
        sign(keys.load(made.private_path), **{"subject": "s", **arguments})


def test_a_signer_signs_anew_when_half_of_the_life_is_gone(made: keys.KeyFiles, monkeypatch: pytest.MonkeyPatch):
    signer = Signer(keys.load(made.private_path), "s", "operator", life_s=100)
    first, now = signer(), time.time()

    monkeypatch.setattr(tokens.time, "time", lambda: now + 40)
    again = signer()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 60)
    later = signer()

    assert again == first
    assert later != first


def test_a_token_is_a_compact_jws_with_a_header_that_names_key_and_algorithm(made: keys.KeyFiles):
    token = sign(keys.load(made.private_path), "s", "operator")

    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header == {"typ": "JWT", "alg": "Ed25519", "kid": made.kid}


def test_a_key_for_one_role_says_so_in_both_halves_and_signs_in_no_other(made: keys.KeyFiles, tmp_path: pathlib.Path):
    limited = keys.init("asi", tmp_path / "operator.json", made.jwks_path, roles=["operator"])
    keys.init("asi", tmp_path / "third.json", made.jwks_path)

    listed = [key.get("touchstone:roles") for key in keys.public_keys(made.jwks_path)]
    assert listed == [None, ["operator"], None]
    assert sign(keys.load(limited.private_path), "s", "operator")
    with pytest.raises(TokenUnsignable, match="operator alone"):
        sign(keys.load(limited.private_path), "s", "registrar")


@pytest.mark.parametrize("roles", [[], ["emperor"], ["operator", ""]])
def test_a_key_for_a_role_that_does_not_exist_is_not_made(tmp_path: pathlib.Path, roles: list[str]):
    with pytest.raises(KeyUnusable, match="roles"):
        keys.init("asi", tmp_path / "k.json", tmp_path / "jwks.json", roles=roles)

    assert list(tmp_path.iterdir()) == []


def test_the_command_makes_a_key_for_the_roles_that_it_is_told_and_lists_them(tmp_path: pathlib.Path):
    jwks = ["--jwks", str(tmp_path / "jwks.json"), "--json"]
    init = ["keys", "init", "--private", str(tmp_path / "k.json"), "--roles", "operator, registrar", *jwks]

    made = CliRunner().invoke(app, init)
    listed = CliRunner().invoke(app, ["keys", "list", *jwks])

    assert made.exit_code == 0, made.output
    assert [key["roles"] for key in json.loads(listed.output)] == ["operator, registrar"]


def test_a_key_for_one_body_says_so_in_both_halves_and_signs_for_no_other(made: keys.KeyFiles, tmp_path: pathlib.Path):
    limited = keys.init("asi", tmp_path / "dnv.json", made.jwks_path, party=("cab", "dnv"))

    listed = [(key.get("touchstone:roles"), key.get("touchstone:party")) for key in keys.public_keys(made.jwks_path)]
    assert listed == [(None, None), (["assessor"], {"cab": "dnv"})]
    assert sign(keys.load(limited.private_path), "s", "assessor", cab="dnv")
    with pytest.raises(TokenUnsignable, match="dnv alone"):
        sign(keys.load(limited.private_path), "s", "assessor", cab="ecv")


@pytest.mark.parametrize(
    ("party", "roles"), [(("body", "dnv"), None), (("cab", ""), None), (("cab", "dnv"), ["operator"])]
)
def test_a_key_for_a_party_that_nobody_speaks_for_is_not_made(
    tmp_path: pathlib.Path, party: tuple[str, str], roles: list[str] | None
):
    with pytest.raises(KeyUnusable, match="one body"):
        keys.init("asi", tmp_path / "k.json", tmp_path / "jwks.json", party=party, roles=roles)

    assert list(tmp_path.iterdir()) == []


def test_the_command_makes_a_key_for_one_party_and_lists_it(tmp_path: pathlib.Path):
    jwks = ["--jwks", str(tmp_path / "jwks.json"), "--json"]
    init = ["keys", "init", "--private", str(tmp_path / "k.json"), *jwks]

    both = CliRunner().invoke(app, [*init, "--body", "dnv", "--member", "qatalum"])
    made = CliRunner().invoke(app, [*init, "--member", "qatalum"])
    listed = CliRunner().invoke(app, ["keys", "list", *jwks])

    assert both.exit_code != 0
    assert made.exit_code == 0, made.output
    assert [(key["roles"], key["party"]) for key in json.loads(listed.output)] == [("member", "member qatalum")]
