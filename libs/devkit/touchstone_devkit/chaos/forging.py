"""Tells of an acceptance that assessment did not make, as anybody who may publish can, and asks what is said of it."""

import dataclasses
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pika
from joserfc.jwk import OKPKey

from touchstone.cases.forgeries import NOT_SIGNED
from touchstone.cli.context import ANSWER_IS_NO
from touchstone.rpc.blocking import open_connection
from touchstone_chassis.auth.signatures import FORGED, UNSIGNED, Signer
from touchstone_contracts.envelope import CONTENT_TYPE, SIGNATURE
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import events_exchange
from touchstone_devkit.demo.register import OPERATOR
from touchstone_devkit.demo.scheme import Scheme

ACCEPTED: str = AuditAccepted.type_name  # type: ignore[attr-defined]
CONSUMER = "certification"
REASONS = (UNSIGNED, FORGED)
ASKED_WITHIN_S = 200


@dataclasses.dataclass(frozen=True)
class Forgery:
    """One event that was published. `reason`, for which it is to be parked: `unsigned`, or `forged` by a stranger's
    key; the audit that it tells of is none."""

    event_id: str
    audit_id: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Reception:
    """What became of a forgery: its dead letter (None: it is none), and what is said of that.

    `steps` are the lines of `touchstone case` that name it, `discrepancies` those that `touchstone reconcile` calls
    forged, by what they are about.
    """

    forgery: Forgery
    letter: Mapping[str, Any] | None
    steps: Sequence[str] = ()
    discrepancies: Sequence[Mapping[str, Any]] = ()

    @property
    def told_by_case(self) -> bool:
        """In one line, as no word of assessment's."""
        beginning = f"{NOT_SIGNED[self.forgery.reason]} {AuditAccepted.producer}: "  # type: ignore[attr-defined]
        return [step.startswith(beginning) for step in self.steps] == [True]

    @property
    def told_by_reconcile(self) -> bool:
        return self.letter is not None and list(self.discrepancies) == [
            {"dead_letter": self.letter["id"], "reason": self.forgery.reason}
        ]


def forge(amqp_uri: str, accepted: Mapping[str, Any], reason: str) -> Forgery:
    """Publish a true acceptance (the decoded event) once more, about another audit of the same body.

    `amqp_uri` is of anybody who may publish to assessment's exchange. Raises what pika raises.
    """
    data = accepted["data"]
    forgery = Forgery(uuid.uuid4().hex, f"{data['body_id']}.{reason}-{uuid.uuid4().hex[:8]}", reason)
    changed = {"id": forgery.event_id, "subject": forgery.audit_id, "data": data | {"audit_id": forgery.audit_id}}
    body = json.dumps({**accepted, **changed}).encode()
    headers = {SIGNATURE: _by_a_stranger(body)} if reason == FORGED else {}
    properties = pika.BasicProperties(
        content_type=CONTENT_TYPE, delivery_mode=2, message_id=forgery.event_id, type=ACCEPTED, headers=headers
    )
    with open_connection(amqp_uri, wait_s=10) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        exchange = events_exchange(AuditAccepted.producer)  # type: ignore[attr-defined]
        channel.basic_publish(exchange, ACCEPTED.partition(".")[2], body, properties, mandatory=True)
    return forgery


def letter_of(scheme: Scheme, forgery: Forgery) -> dict[str, Any] | None:
    """The dead letter that it is, while nobody has discarded it."""
    found = scheme.register.every(OPERATOR, f"{CONSUMER}.list_dead_letters", event=ACCEPTED)
    return next((letter for letter in found if letter["event_id"] == forgery.event_id), None)


def received(scheme: Scheme, forgery: Forgery) -> Reception:
    """What became of it by now."""
    letter = letter_of(scheme, forgery)
    if letter is None:
        return Reception(forgery, None)
    way = _asked(scheme, "case", forgery.audit_id).get("steps", ())
    steps = [step["text"] for step in way if letter["id"] in step["text"]]
    abouts = [found["about"] for found in reconciled(scheme) if found["kind"] == "event_forged"]
    return Reception(forgery, letter, steps, [about for about in abouts if about["dead_letter"] == letter["id"]])


def reconciled(scheme: Scheme) -> list[dict[str, Any]]:
    """All that `touchstone reconcile` finds, however young it is."""
    found: list[dict[str, Any]] = _asked(scheme, "reconcile", "--grace", "0").get("found", [])
    return found


def discard(scheme: Scheme, reception: Reception) -> None:
    """What an operator does who has found out that it is not true."""
    if reception.letter is not None:
        ids, why = [reception.letter["id"]], "assessment did not tell of it"
        scheme.register.call(OPERATOR, f"{CONSUMER}.discard_dead_letters", ids=ids, why=why)


def _by_a_stranger(body: bytes) -> str:
    key = OKPKey.generate_key("Ed25519", private=True)
    (signature,) = Signer(key, key.thumbprint()).sign([body])
    return signature


def _asked(scheme: Scheme, *command: str) -> dict[str, Any]:
    """What the command line answers; nothing where it refuses to, as for a case that it does not know."""
    done = subprocess.run(
        [sys.executable, "-m", "touchstone.cli", *command, "--json", "--role", "operator"],
        env={**os.environ, **scheme.environment},
        capture_output=True,
        text=True,
        timeout=ASKED_WITHIN_S,
        check=False,
    )
    answered: dict[str, Any] = json.loads(done.stdout) if done.returncode in (0, ANSWER_IS_NO) else {}
    return answered
