"""Who signed an event can be told by anybody who has the services' public keys, and nobody else can sign as they do."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from touchstone.auth import keys
from touchstone_chassis.auth.signatures import FORGED, TOGETHER_MAX, UNSIGNED, NotSigned, Signatures, Signer
from touchstone_chassis.auth.tokens import UnusableKeys
from touchstone_contracts.services import SERVICE_OF_KEY
from touchstone_testing.event_keys import EventKeys, event_keys

BODY = b'{"id": "e-1"}'


@pytest.fixture
def own(tmp_path: Path) -> EventKeys:
    return EventKeys(tmp_path)


def signed(service: str, body: bytes = BODY) -> str:
    (signature,) = event_keys().headers(service, body).values()
    return signature


def refusal(signature: str | None, body: bytes = BODY, *signers: str) -> tuple[str, str]:
    with pytest.raises(NotSigned) as raised:
        Signatures(event_keys().public).check(signature, body, signers or ("assessment",))
    return raised.value.reason, str(raised.value)


def test_what_a_producer_signed_is_taken() -> None:
    signature = signed("assessment")
    signatures = Signatures(event_keys().public)

    for _ in range(2):  # the second time it is known
        signatures.check(signature, BODY, ("assessment",))
    signatures.check(signature, BODY, ("certification", "assessment"))


@pytest.mark.parametrize("count", [1, 2, TOGETHER_MAX, TOGETHER_MAX + 1, 3 * TOGETHER_MAX])
def test_what_is_signed_together_is_checked_one_by_one(count: int) -> None:
    bodies = [f"body {number}".encode() for number in range(count)]
    signer, signatures = Signer.load(event_keys().private("assessment")), Signatures(event_keys().public)

    found = list(signer.sign(bodies))

    assert len(found) == count
    assert len(set(found)) == -(-count // TOGETHER_MAX)
    for body, signature in zip(bodies, found, strict=True):
        signatures.check(signature, body, ("assessment",))
        with pytest.raises(NotSigned):
            signatures.check(signature, body + b" ", ("assessment",))


def test_nothing_to_sign_gives_no_signature() -> None:
    assert list(Signer.load(event_keys().private("assessment")).sign([])) == []


@pytest.mark.parametrize("missing", [None, ""])
def test_what_bears_no_signature_is_unsigned(missing: str | None) -> None:
    assert refusal(missing) == (UNSIGNED, "the message bears no signature")


def test_another_service_cannot_speak_for_the_producer() -> None:
    assert refusal(signed("notification")) == (FORGED, "signed by notification, not by assessment")


def test_a_signature_holds_for_its_own_message_alone() -> None:
    assert refusal(signed("assessment"), BODY + b" ") == (FORGED, "the signature is of another message")


def test_a_digest_that_begins_within_another_is_none() -> None:
    """As whoever may sign one message could make it: a signed payload of which a part is the wanted digest."""
    key = OKPKey.import_key(json.loads(event_keys().private("assessment").read_text()))
    kid = json.loads(event_keys().private("assessment").read_text())["kid"]
    payload = b"x" + hashlib.sha256(BODY).digest() + b"y" * 31
    shifted = jws.serialize_compact({"alg": "Ed25519", "kid": kid}, payload, key, algorithms=["Ed25519"])
    assert base64.urlsafe_b64decode(shifted.split(".")[1] + "=" * 2).startswith(b"x")

    assert refusal(shifted) == (FORGED, "the signature is of another message")


def test_a_key_that_no_service_has_signs_for_nobody(own: EventKeys) -> None:
    (signature,) = own.headers("assessment", BODY).values()

    assert refusal(signature) == (FORGED, "signed with a key that is not known here")


@given(
    st.one_of(
        st.text(min_size=1, max_size=60),
        st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True),
    )
)
def test_any_text_is_no_signature(text: str) -> None:
    assert refusal(text)[0] == FORGED


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_signature_of_which_a_letter_is_changed_is_none(part: int) -> None:
    parts = signed("assessment").split(".")
    parts[part] = ("B" if parts[part][0] == "A" else "A") + parts[part][1:]

    assert refusal(".".join(parts))[0] == FORGED


def test_any_library_can_read_a_signature() -> None:
    signature = signed("certification")
    public = keys.public_keys(event_keys().public)
    (entry,) = [key for key in public if key[SERVICE_OF_KEY] == "certification"]

    read = jws.deserialize_compact(signature, OKPKey.import_key(entry), algorithms=["Ed25519"])

    assert read.payload == hashlib.sha256(BODY).digest()
    assert read.headers() == {"alg": "Ed25519", "kid": entry["kid"]}


def test_a_new_key_is_taken_and_one_that_was_taken_out_no_more(own: EventKeys) -> None:
    (first,) = own.headers("assessment", BODY).values()
    signatures = Signatures(own.public)
    signatures.check(first, BODY, ("assessment",))
    made = keys.init_service("assessment", own.folder / "second.json", own.public)
    (second,) = Signer.load(made.private_path).sign([BODY])

    signatures.check(second, BODY, ("assessment",))
    signatures.check(first, BODY, ("assessment",))
    left = [key for key in keys.public_keys(own.public) if key["kid"] == made.kid]
    own.public.write_text(json.dumps({"keys": left}))

    signatures.check(second, BODY, ("assessment",))
    with pytest.raises(NotSigned):
        signatures.check(first, BODY, ("assessment",))


def test_a_file_that_breaks_leaves_the_last_good_keys_in_force(own: EventKeys) -> None:
    (signature,) = own.headers("assessment", BODY).values()
    signatures = Signatures(own.public)

    own.public.write_text("{")

    signatures.check(signature, BODY, ("assessment",))


def _private(entries: list[dict[str, Any]]) -> Any:
    return {"keys": [*entries, OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda entries: {"keys": [{k: v for k, v in entries[0].items() if k != SERVICE_OF_KEY}]}, "is no JWKS file"),
        (lambda entries: {"keys": [{k: v for k, v in entries[0].items() if k != "kid"}]}, "is no JWKS file"),
        (lambda entries: {"keys": []}, "holds no key"),
        (
            lambda entries: {"keys": [entries[0] | OKPKey.generate_key("X25519").as_dict(private=False)]},
            "is no JWKS file",
        ),
        (lambda entries: [], "is no JWKS file"),
        (_private, "holds a private key"),
    ],
)
def test_a_file_that_holds_no_keys_of_services_is_refused(own: EventKeys, content: Any, said: str) -> None:
    own.private("assessment")
    own.public.write_text(json.dumps(content(keys.public_keys(own.public))))

    with pytest.raises(UnusableKeys, match=said):
        Signatures(own.public)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kty": "OKP"}'])
def test_a_file_without_a_private_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)

    with pytest.raises(UnusableKeys, match="is no private key as `touchstone keys init --service` makes it"):
        Signer.load(tmp_path / "key.json")
    with pytest.raises(UnusableKeys, match="No such file"):
        Signer.load(tmp_path / "none.json")


def test_a_public_key_does_not_sign(own: EventKeys) -> None:
    own.private("assessment")
    (public,) = keys.public_keys(own.public)
    (own.folder / "public.json").write_text(json.dumps(public))

    with pytest.raises(UnusableKeys):
        Signer.load(own.folder / "public.json")
