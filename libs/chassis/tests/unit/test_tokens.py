"""Tokens: which ones prove a caller, and that everything else is refused without repeating it."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import OctKey, OKPKey

from touchstone.auth import keys
from touchstone_chassis.auth import tokens
from touchstone_chassis.auth.tokens import UnusableKeys, Verifier
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Unauthenticated

NOW = 1_800_000_000
KEY = OKPKey.generate_key("Ed25519")
STRANGER = OKPKey.generate_key("Ed25519")
CLAIMS = {
    "iss": "asi",
    "sub": "secretariat-1",
    "role": "secretariat",
    "aud": "touchstone",
    "iat": NOW,
    "exp": NOW + 300,
    "jti": "t-1",
}
UNPRINTABLE = ("\0", "\n", "\x1b", "\x85", "\u2028", "\u202e", "\u200b", "\ud800", "\udfff")


def public(key: OKPKey, kid: str, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, **more}


def write_jwks(path: pathlib.Path, *keys: dict[str, Any]) -> None:
    path.write_text(json.dumps({"keys": keys}), encoding="utf-8")


def signed(key: OKPKey = KEY, header: dict[str, Any] | None = None, **changed: Any) -> str:
    """A token with CLAIMS as `changed` changes them; a claim of None is left out."""
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    header = {"alg": "Ed25519", "kid": "k1"} if header is None else header
    # not as jwt.encode has it: half a surrogate can be spelt in ASCII only
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=["Ed25519", "EdDSA"])


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.fixture
def jwks(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "jwks.json"
    write_jwks(path, public(KEY, "k1"))
    return path


@pytest.fixture
def verifier(jwks: pathlib.Path) -> Verifier:
    return Verifier(jwks, "touchstone", ["asi"], now=lambda: NOW)


def refusal(verifier: Verifier, token: Any) -> str:
    with pytest.raises(Unauthenticated) as refused:
        verifier.verify(token)
    return refused.value.message


def test_a_token_proves_its_caller(verifier: Verifier):
    whole = {
        "secretariat": Caller("secretariat-1", "secretariat", issuer="asi"),
        "assessor": Caller("secretariat-1", "assessor", cab="p", issuer="asi"),
        "member": Caller("secretariat-1", "member", member="p", issuer="asi"),
    }

    assert {role: verifier.verify(signed(role=role, cab="p", member="p")) for role in whole} == whole


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("of_the_key", [None, "Ed25519", "EdDSA"])
@pytest.mark.parametrize("of_the_token", ["Ed25519", "EdDSA"])
def test_both_names_of_the_algorithm_are_accepted_whichever_the_key_has(
    jwks: pathlib.Path, of_the_key: str | None, of_the_token: str
):
    write_jwks(jwks, public(KEY, "k1", **({"alg": of_the_key} if of_the_key else {})))
    verifier = Verifier(jwks, "touchstone", ["asi"], now=lambda: NOW)

    assert verifier.verify(signed(header={"alg": of_the_token, "kid": "k1"})).role == "secretariat"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_a_key_that_keys_init_made_signs_under_both_names(tmp_path: pathlib.Path):
    made = keys.init("asi", tmp_path / "key.json", tmp_path / "jwks.json")
    verifier = Verifier(made.jwks_path, "touchstone", ["asi"], now=lambda: NOW)

    private = json.loads(made.private_path.read_text())

    for alg in ("Ed25519", "EdDSA"):  # other libraries sign under the older name
        token = signed(OKPKey.import_key({**private, "alg": alg}), {"alg": alg, "kid": made.kid})
        assert verifier.verify(token).subject == "secretariat-1"


@pytest.mark.parametrize(
    "limit", [{"alg": "ES256"}, {"alg": "Ed448"}, {"use": "enc"}, {"key_ops": ["sign"]}], ids=lambda limit: str(limit)
)
def test_a_key_that_is_for_something_else_proves_nobody(jwks: pathlib.Path, limit: dict[str, Any]):
    write_jwks(jwks, public(KEY, "k1", **limit))
    verifier = Verifier(jwks, "touchstone", ["asi"], now=lambda: NOW)

    assert "key is not for signing" in refusal(verifier, signed())


def test_a_party_that_the_role_does_not_speak_for_is_ignored(verifier: Verifier):
    caller = verifier.verify(signed(role="member", member="m", cab="dnv"))

    assert caller == Caller("secretariat-1", "member", member="m", issuer="asi")


def test_a_name_may_have_any_letters(verifier: Verifier):
    assert verifier.verify(signed(sub="Zoë Müller, 東京")).subject == "Zoë Müller, 東京"


def test_one_of_several_audiences_is_enough(verifier: Verifier):
    assert verifier.verify(signed(aud=["other", "touchstone"])).subject == "secretariat-1"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iat": NOW - 400, "exp": NOW - 100}, "expired: 100 s ago, by this service's clock"),
        ({"iat": NOW + 60, "exp": NOW + 120}, "not valid yet: in 60 s, by this service's clock"),
        ({"nbf": NOW + 60}, "not valid yet"),
        ({"exp": NOW + 301}, "300 seconds"),
        ({"exp": NOW}, "300 seconds"),
        ({"exp": float("inf")}, "300 seconds"),
        ({"iat": float("nan")}, "300 seconds"),
        ({"aud": "somebody-else"}, "somebody else"),
        ({"aud": ["a", "b"]}, "somebody else"),
        ({"aud": {"touchstone": 1}}, "somebody else"),
        ({"iss": "stranger"}, "issuer"),
        ({"role": "emperor"}, "role"),
        ({"role": ["secretariat"]}, "'role'"),
        ({"role": "assessor"}, "'cab'"),
        ({"role": "assessor", "cab": ""}, "'cab'"),
        ({"role": "assessor", "member": "m"}, "'cab'"),
        ({"role": "member"}, "'member'"),
        ({"role": "member", "member": 7}, "'member'"),
        ({"sub": ""}, "'sub'"),
        ({"sub": "s" * 201}, "'sub'"),
        *[({claim: f"a{text}b"}, f"'{claim}'") for claim in ("sub", "iss", "jti") for text in UNPRINTABLE],
        *[({"role": "assessor", "cab": f"a{text}b"}, "'cab'") for text in UNPRINTABLE],
        *[({"role": "member", "member": f"a{text}b"}, "'member'") for text in UNPRINTABLE],
        *[({"role": f"assessor{text}"}, "'role'") for text in UNPRINTABLE],
        *[({"sub": text}, "'sub'") for text in (" ", " x", "x ")],
        ({"iat": str(NOW)}, "'iat'"),
        ({"exp": True}, "'exp'"),
        ({"nbf": "now"}, "'nbf'"),
        *[({claim: None}, claim if claim != "aud" else "somebody else") for claim in CLAIMS if claim != "iss"],
        ({"iss": None}, "'iss'"),
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_refused(verifier: Verifier, changed: dict[str, Any], reason: str):
    assert reason in refusal(verifier, signed(**changed))


def test_a_clock_that_differs_by_five_seconds_is_forgiven_and_no_more(jwks: pathlib.Path):
    token = signed()
    ages_s = {-6: False, -5: True, 304: True, 305: False}

    accepted = {}
    for age_s in ages_s:
        try:
            accepted[age_s] = bool(Verifier(jwks, "touchstone", ["asi"], now=lambda a=age_s: NOW + a).verify(token))
        except Unauthenticated:
            accepted[age_s] = False

    assert accepted == ages_s


def test_a_token_that_somebody_else_signed_is_refused(verifier: Verifier):
    assert "signature" in refusal(verifier, signed(key=STRANGER))


def test_a_token_that_was_altered_is_refused(verifier: Verifier):
    header, payload, signature = signed().split(".")
    _, other_payload, _ = signed(role="operator").split(".")

    assert "signature" in refusal(verifier, f"{header}.{other_payload}.{signature}")
    assert "signature" in refusal(verifier, f"{header}.{payload}.")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "ES256", "Ed448"])
def test_a_token_without_a_signature_of_ours_is_refused(verifier: Verifier, alg: str):
    assert "algorithm is Ed25519, or EdDSA" in refusal(verifier, unsigned({"alg": alg, "kid": "k1"}, CLAIMS))


def test_each_thing_that_can_be_wrong_has_words_of_its_own(verifier: Verifier, jwks: pathlib.Path):
    write_jwks(jwks, public(KEY, "k1", iss="asi"), public(STRANGER, "k2", iss="test-lab"))
    verifier = Verifier(jwks, "touchstone", ["asi", "test-lab"], now=lambda: NOW)
    wrong = {
        "form": "a.b.c",
        "algorithm": unsigned({"alg": "HS256", "kid": "k1"}, CLAIMS),
        "key": signed(header={"alg": "Ed25519", "kid": "k3"}),
        "signature": signed(STRANGER),
        "issuer": signed(iss="nobody"),
        "issuer of the key": signed(iss="test-lab"),
        "audience": signed(aud="others"),
        "life": signed(exp=NOW + 3_000),
        "expired": signed(iat=NOW - 100, exp=NOW - 50),
        "to come": signed(iat=NOW + 50, exp=NOW + 100),
        "role": signed(role="emperor"),
        "party": signed(role="assessor"),
    }

    told = {name: refusal(verifier, token) for name, token in wrong.items()}

    assert len(set(told.values())) == len(told)


def test_the_public_key_cannot_be_used_as_a_shared_secret(verifier: Verifier):
    secret = base64.urlsafe_b64decode(KEY.as_dict(private=False)["x"] + "=")
    body = unsigned({"alg": "HS256", "kid": "k1"}, CLAIMS).rstrip(".")
    mac = hmac.new(secret, body.encode(), hashlib.sha256).digest()
    by_hand = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    by_library = jwt.encode({"alg": "HS256", "kid": "k1"}, CLAIMS, OctKey.import_key(secret), algorithms=["HS256"])

    assert "algorithm" in refusal(verifier, by_hand)
    assert "algorithm" in refusal(verifier, by_library)


@pytest.mark.parametrize("header", [{}, {"kid": "unknown"}, {"kid": 1}, {"kid": ["k1"]}, {"kid": None}])
def test_a_token_must_name_a_key_that_is_known(verifier: Verifier, header: dict[str, Any]):
    token = unsigned({"alg": "Ed25519", **header}, CLAIMS, b"x" * 64)

    refusal(verifier, token)


def test_a_key_in_the_tokens_own_header_is_not_believed(verifier: Verifier):
    header = {"alg": "Ed25519", "jwk": STRANGER.as_dict(private=False)}

    refusal(verifier, jwt.encode(header, CLAIMS, STRANGER, algorithms=["Ed25519"]))


def test_a_key_that_names_its_issuer_vouches_for_no_other(jwks: pathlib.Path):
    write_jwks(jwks, public(KEY, "k1", iss="asi"), public(STRANGER, "k2", iss="test-lab"))
    verifier = Verifier(jwks, "touchstone", "asi, test-lab", now=lambda: NOW)

    own = signed(key=STRANGER, header={"alg": "Ed25519", "kid": "k2"}, iss="test-lab")
    foreign = signed(key=STRANGER, header={"alg": "Ed25519", "kid": "k2"}, iss="asi")

    assert verifier.verify(own).subject == "secretariat-1"
    assert "issuer" in refusal(verifier, foreign)


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        7,
        b"a.b.c",
        ["a"],
        {},
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        "é.b.c",
        "x" * 10_000,
        unsigned([], CLAIMS),
        unsigned("header", CLAIMS),
        unsigned({"alg": {}, "kid": "k1"}, CLAIMS),
        unsigned({"alg": "Ed25519", "kid": "k1", "crit": ["x"]}, CLAIMS),
        unsigned({"alg": "Ed25519", "kid": "k1", "b64": False, "crit": ["b64"]}, CLAIMS),
        jwt.encode({"alg": "Ed25519", "kid": "k1"}, {}, KEY, algorithms=["Ed25519"]),
    ],
)
def test_what_is_no_token_is_refused(verifier: Verifier, token: Any):
    refusal(verifier, token)


@given(st.one_of(st.text(), st.text("abcXYZ019-_.=", max_size=200)))
def test_no_text_at_all_raises_anything_but_a_refusal(text: str):
    verifier = Verifier.__new__(Verifier)
    verifier.__dict__.update(_keys={}, _cache={}, _now=time.time, _reread_keys=lambda: None)

    refusal(verifier, text)


def test_a_refusal_repeats_nothing_of_the_token(verifier: Verifier):
    secretive = "person@example.org"
    tokens = [signed(sub="x", iss=secretive), signed(role=secretive), signed(aud=secretive), signed(exp=secretive)]

    messages = [refusal(verifier, token) for token in [*tokens, f"{secretive}.b.c"]]

    assert secretive not in " ".join(messages)


def test_a_signature_is_checked_once_for_a_token_that_comes_again(verifier: Verifier, monkeypatch: pytest.MonkeyPatch):
    checks: list[int] = []
    decode: Callable[..., Any] = jwt.decode
    monkeypatch.setattr(tokens.jwt, "decode", lambda *a, **k: checks.append(1) or decode(*a, **k))
    token = signed()

    for _ in range(3):
        verifier.verify(token)

    assert len(checks) == 1


def test_a_remembered_token_expires_too(jwks: pathlib.Path):
    clock = [float(NOW)]
    verifier = Verifier(jwks, "touchstone", ["asi"], now=lambda: clock[0])
    token = signed()
    verifier.verify(token)

    clock[0] = NOW + 305

    assert "expired" in refusal(verifier, token)


def test_what_is_remembered_is_bounded(verifier: Verifier, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "CACHED_MAX", 3)

    for number in range(10):
        verifier.verify(signed(jti=f"t-{number}"))

    assert len(verifier._cache) <= 3


def test_a_changed_file_brings_new_keys_and_a_key_taken_out_vouches_for_nothing(jwks: pathlib.Path):
    verifier = Verifier(jwks, "touchstone", ["asi"], now=lambda: NOW)
    old, new = signed(), signed(key=STRANGER, header={"alg": "Ed25519", "kid": "k2"})
    verifier.verify(old)

    write_jwks(jwks, public(STRANGER, "k2"))
    os.utime(jwks, ns=(1, 1))

    assert verifier.verify(new).subject == "secretariat-1"
    assert "key is not known" in refusal(verifier, old)


def test_a_file_that_breaks_later_leaves_the_last_good_keys_in_force(jwks: pathlib.Path):
    verifier = Verifier(jwks, "touchstone", ["asi"], now=lambda: NOW)

    jwks.write_text("{ half a fi", encoding="utf-8")
    assert verifier.verify(signed()).subject == "secretariat-1"
    jwks.unlink()

    assert verifier.verify(signed(jti="t-2")).subject == "secretariat-1"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": []}',
        '{"keys": [1]}',
        '{"keys": {"kty": "OKP"}}',
        json.dumps({"keys": [KEY.as_dict(private=False)]}),
        json.dumps({"keys": [{**KEY.as_dict(private=True), "kid": "k1"}]}),
        json.dumps({"keys": [public(KEY, "k1"), public(STRANGER, "k1")]}),
        json.dumps({"keys": [{**public(KEY, "k1"), "x": "AAAA"}]}),
        '{"keys": ' + "[" * 100_000,
    ],
)
def test_a_service_does_not_start_with_a_file_of_unusable_keys(tmp_path: pathlib.Path, content: str):
    path = tmp_path / "jwks.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(UnusableKeys):
        Verifier(path, "touchstone", ["asi"])


def test_the_mark_that_some_editors_put_before_a_text_is_no_part_of_the_keys(jwks: pathlib.Path):
    jwks.write_text(jwks.read_text("utf-8"), encoding="utf-8-sig")

    assert Verifier(jwks, "touchstone", ["asi"], now=lambda: NOW).verify(signed()).role == "secretariat"


def test_a_service_does_not_start_without_the_file(tmp_path: pathlib.Path):
    with pytest.raises(UnusableKeys, match="none\\.json"):
        Verifier(tmp_path / "none.json", "touchstone", ["asi"])


def test_a_key_for_one_role_proves_no_caller_in_another(verifier: Verifier, jwks: pathlib.Path):
    limited = public(STRANGER, "k2", **{"touchstone:roles": ["operator"]})
    write_jwks(jwks, public(KEY, "k1"), limited)
    header = {"alg": "Ed25519", "kid": "k2"}

    assert verifier.verify(signed(STRANGER, header, role="operator")).role == "operator"
    assert "not for this role" in refusal(verifier, signed(STRANGER, header))
    assert verifier.verify(signed()).role == "secretariat"


@pytest.mark.parametrize("named", [None, "operator", {"operator": True}, [1]])
def test_roles_of_a_key_that_cannot_be_read_do_not_count_as_all(jwks: pathlib.Path, named: Any):
    write_jwks(jwks, public(KEY, "k1", **{"touchstone:roles": named}))

    with pytest.raises(UnusableKeys):
        Verifier(jwks, "touchstone", ["asi"])


def test_a_key_for_no_role_proves_nobody(verifier: Verifier, jwks: pathlib.Path):
    write_jwks(jwks, public(KEY, "k1", **{"touchstone:roles": []}))

    assert "not for this role" in refusal(verifier, signed())


def test_a_key_for_one_body_proves_nobody_who_speaks_for_another(verifier: Verifier, jwks: pathlib.Path):
    limited = public(STRANGER, "k2", **{"touchstone:party": {"cab": "dnv"}})
    write_jwks(jwks, public(KEY, "k1"), limited)
    header = {"alg": "Ed25519", "kid": "k2"}

    assert verifier.verify(signed(STRANGER, header, role="assessor", cab="dnv")).cab == "dnv"
    for other in ({"role": "assessor", "cab": "ecv"}, {"role": "member", "member": "dnv"}, {"role": "secretariat"}):
        assert "not for this party" in refusal(verifier, signed(STRANGER, header, **other))
    assert verifier.verify(signed(role="assessor", cab="ecv")).cab == "ecv"


@pytest.mark.parametrize(
    "named",
    [None, "dnv", {}, {"cab": "dnv", "member": "m"}, {"body": "dnv"}, {"cab": 1}, {"cab": " "}, [["cab", "dnv"]]],
)
def test_a_party_of_a_key_that_cannot_be_read_does_not_count_as_all(jwks: pathlib.Path, named: Any):
    write_jwks(jwks, public(KEY, "k1", **{"touchstone:party": named}))

    with pytest.raises(UnusableKeys):
        Verifier(jwks, "touchstone", ["asi"])
