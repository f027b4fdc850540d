"""Walks every entrypoint of every service with every role and with bad tokens; whoever may not changes nothing."""

import dataclasses
import json
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pika
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from touchstone.rpc.blocking import open_connection
from touchstone.rpc.client import Client
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_contracts import roles
from touchstone_contracts.errors import Refusal
from touchstone_contracts.registry import REGISTRY
from touchstone_devkit.demo.register import SECRETARIAT, Speaker, assessor, member
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import SERVICES
from touchstone_testing.reference_data import a_later_rule_set, a_later_standard, later_obligations

TIMEOUT_S = 30
NOBODY = "walker"


@dataclasses.dataclass(frozen=True)
class Entrance:
    """A way in for other systems: an RPC method or a queue of commands."""

    service: str
    method: str
    entrypoint: Any

    @property
    def name(self) -> str:
        return f"{self.service}.{self.method}"

    @property
    def public(self) -> bool:
        return tuple(self.entrypoint.roles) == roles.PUBLIC


def entrances() -> Iterator[Entrance]:
    """Every entrypoint of every installed service that takes calls or messages from others."""
    for offered in entry_points(group="touchstone.services"):
        service = offered.load()
        for method in dir(service):
            for entrypoint in getattr(getattr(service, method), "nameko_entrypoints", ()):
                if isinstance(entrypoint, (Method, OnMessage)):
                    yield Entrance(service.name, method, entrypoint)


ENTRANCES = sorted(entrances(), key=lambda entrance: entrance.name)
CALLED = [entrance for entrance in ENTRANCES if isinstance(entrance.entrypoint, Method)]
COMMANDS = [entrance for entrance in CALLED if entrance.entrypoint.changes]
QUEUES = [entrance for entrance in ENTRANCES if isinstance(entrance.entrypoint, OnMessage)]


def by_name(entrance: Entrance) -> str:
    return entrance.name


# Bad tokens: each claims the most that a token can claim.


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    full = {
        "iss": "touchstone-dev",
        "sub": NOBODY,
        "role": roles.SECRETARIAT,
        "aud": "touchstone",
        "iat": now,
        "exp": now + 300,
        "jti": uuid.uuid4().hex,
    }
    return {name: value for name, value in (full | changes).items() if value is not None}


def signed(scheme: Scheme, header: dict[str, Any] | None = None, *, key: Any = None, **changes: Any) -> str:
    names = {"alg": "Ed25519", "kid": scheme.key.kid} | (header or {})
    given = claims(**{"iss": scheme.key.issuer} | changes)
    return jwt.encode(names, given, key or scheme.key.key, algorithms=["Ed25519", "HS256"])


def ago(seconds: int) -> int:
    return int(time.time()) - seconds


def unsigned(scheme: Scheme) -> str:
    _, payload, _ = signed(scheme).split(".")
    return f"eyJhbGciOiJub25lIn0.{payload}."


def tampered(scheme: Scheme) -> str:
    """The payload of one token under the signature of another."""
    header, _, signature = signed(scheme, role=roles.OPERATOR).split(".")
    return f"{header}.{signed(scheme).split('.')[1]}.{signature}"


def confused(scheme: Scheme) -> str:
    """Signed with the public key as if it were a shared secret."""
    public = scheme.key.key.as_dict(private=False)["x"]
    return signed(scheme, {"alg": "HS256"}, key=OctKey.import_key(public))


BAD_TOKENS: dict[str, Callable[[Scheme], str]] = {
    "expired": lambda s: signed(s, iat=ago(400), exp=ago(100)),
    "not valid yet": lambda s: signed(s, iat=ago(-100), exp=ago(-300)),
    "valid for too long": lambda s: signed(s, exp=ago(-3600)),
    "for ever": lambda s: signed(s, exp=None),
    "forged": lambda s: signed(s, key=OKPKey.generate_key("Ed25519", private=True)),
    "of an unknown key": lambda s: signed(s, {"kid": "nobody"}, key=OKPKey.generate_key("Ed25519", private=True)),
    "tampered with": tampered,
    "unsigned": unsigned,
    "of a confused algorithm": confused,
    "for another audience": lambda s: signed(s, aud="another-register"),
    "for no audience": lambda s: signed(s, aud=None),
    "of another issuer": lambda s: signed(s, iss="somebody-else"),
    "without a subject": lambda s: signed(s, sub=None),
    "without a role": lambda s: signed(s, role=None),
    "of an unknown role": lambda s: signed(s, role="owner"),
    "an assessor of no body": lambda s: signed(s, role=roles.ASSESSOR),
    "a member of no organisation": lambda s: signed(s, role=roles.MEMBER),
    "no token at all": lambda s: "let me in",
}


def code_of(client: Client, entrance: Entrance, **arguments: Any) -> str | None:
    """The error's code, or None when the call was carried out."""
    try:
        client.call(entrance.service, entrance.method, **arguments)
    except Refusal as refusal:
        return refusal.code
    return None


def token_for(scheme: Scheme, role: str) -> str:
    party = {roles.ASSESSOR: {"cab": "walkers-body"}, roles.MEMBER: {"member": "walkers-company"}}.get(role, {})
    return scheme.token(role, sub=NOBODY, **party)


def test_there_is_something_to_walk() -> None:
    assert {entrance.service for entrance in CALLED} == set(SERVICES)
    assert len(COMMANDS) >= 14 and len(QUEUES) == 1


def test_without_a_token_only_the_public_register_answers(scheme: Scheme) -> None:
    with Client(scheme.amqp_uri) as client:
        answers = {entrance.name: code_of(client, entrance) for entrance in CALLED}

    closed = {entrance.name for entrance in CALLED if not entrance.public}
    assert {name: code for name, code in answers.items() if name in closed} == dict.fromkeys(closed, "unauthenticated")
    assert all(code in (None, "invalid_request") for name, code in answers.items() if name not in closed)


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused_everywhere(scheme: Scheme, kind: str) -> None:
    token = BAD_TOKENS[kind](scheme)

    with Client(scheme.amqp_uri, token) as client:
        answers = {entrance.name: code_of(client, entrance) for entrance in CALLED}

    assert answers == dict.fromkeys(answers, "unauthenticated")


@pytest.mark.parametrize("role", roles.ALL)
def test_a_role_gets_in_where_it_is_named_and_nowhere_else(scheme: Scheme, role: str) -> None:
    with Client(scheme.amqp_uri, token_for(scheme, role)) as client:
        answers = {entrance.name: code_of(client, entrance) for entrance in CALLED}

    admitted = {e.name for e in CALLED if e.public or role in e.entrypoint.roles}
    assert {name for name, code in answers.items() if code != "forbidden"} == admitted
    assert all(answers[name] in (None, "invalid_request") for name in admitted), answers


@pytest.mark.parametrize("entrance", QUEUES, ids=by_name)
def test_a_queue_of_commands_asks_who_is_there(scheme: Scheme, entrance: Entrance) -> None:
    tokens: dict[str, str | None] = {kind: make(scheme) for kind, make in BAD_TOKENS.items()}
    tokens |= {"none": None} | {role: token_for(scheme, role) for role in roles.ALL}

    sent = {kind: send(scheme, entrance.entrypoint.queue, token) for kind, token in tokens.items()}

    answers = {kind: answer_to(scheme, message_id) for kind, message_id in sent.items()}
    expected = dict.fromkeys(tokens, "unauthenticated") | dict.fromkeys(roles.ALL, "forbidden")
    expected |= dict.fromkeys(entrance.entrypoint.roles, "invalid_request")
    assert answers == expected


def send(scheme: Scheme, queue: str, token: str | None) -> str:
    message_id = uuid.uuid4().hex
    headers = {"authorization": token} if token else {}
    properties = pika.BasicProperties(content_type="application/json", message_id=message_id, headers=headers)
    with open_connection(scheme.calls_uri) as connection:
        connection.channel().basic_publish(queue, "", b"{}", properties)
    return message_id


def answer_to(scheme: Scheme, message_id: str) -> str:
    def answer() -> str | None:
        return next((m["data"]["code"] for m in scheme.wire_tap.messages if m.get("causationid") == message_id), None)

    return str(eventually(answer, within_s=TIMEOUT_S))


def announced_by(service: str) -> list[str]:
    """An event type of the service's, if it has one."""
    own = sorted(name for name in REGISTRY if name.startswith(f"{service}."))
    return own[:1] or ["nobody.said_this.v1"]


def arguments_of(world: World) -> dict[str, dict[str, Any]]:
    """For each command, arguments with which somebody who may would change something."""
    setup, report = world.setup, world.report()
    organisation = {n: v for n, v in setup["members"][0].items() if n != "joined_on"}
    audit = f"{report['body_id']}.{report['report_id']}".lower()
    today = {"valid_from": "2026-01-01", "valid_until": "2026-12-31"}
    letters = {"ids": ["no-such-letter"], "why": "Walked by."}
    of_every_service = {
        f"{service}.{method}": arguments
        for service in SERVICES
        for method, arguments in {
            "replay_dead_letters": letters,
            "discard_dead_letters": letters,
            "edit_dead_letter": {"id": "no-such-letter", "body": "{}", "why": "Walked by."},
            "republish_events": {"ids": ["no-such-event"], "why": "Walked by."},
            "restore_deadlines": {"kind": "no_such_kind", "keys": ["no-such-key"], "why": "Walked by."},
            "begin_backfill": {"consumer": "no-such-service", "types": announced_by(service)},
            "continue_backfill": {"consumer": "nobody", "run": "no-such-run"},
            "settle_counts": {"producer": "nobody", "boundary": "00", "counts": {}},
        }.items()
    }
    return of_every_service | {
        "membership.register_organisation": organisation,
        "membership.activate": {"member_id": organisation["member_id"]},
        "membership.suspend": {"member_id": organisation["member_id"], "reasons": ["Walked by."]},
        "membership.reinstate": {"member_id": organisation["member_id"]},
        "membership.register_entity": setup["entities"][0],
        "membership.register_facility": setup["facilities"][0],
        "membership.set_contact": setup["contacts"][0],
        "assessment.accredit_body": setup["bodies"][0],
        "assessment.register_auditor": setup["auditors"][0],
        "assessment.submit_audit_report": {"report": report},
        "assessment.import_audit_report": {
            "report": report,
            "history": {"issued_on": "2026-11-01", "source": "https://example.org"},
        },
        "assessment.accept_audit_report": {"audit_id": audit},
        "assessment.return_audit_report": {"audit_id": audit, "reasons": ["Walked by."]},
        "assessment.review_corrective_action_plan": {"audit_id": audit, "criterion": "6.5", "plan_state": "approved"},
        "certification.sign_mandate": {"rule_set": 2, "standards": [{"code": "PS", "version": "3.0"}], **today},
        "certification.end_mandate": {"mandate_id": "no-such-mandate", "reason": "Walked by."},
        "certification.decide_case": {"case_id": audit},
        "certification.refuse_case": {"case_id": audit, "reason": "Walked by."},
        "certification.publish_rule_set": {"document": a_later_rule_set()},
        "assessment.publish_standard": {"document": a_later_standard()},
        "membership.publish_obligations": {"document": later_obligations()},
        "notification.send_notices_again": {"notice_id": "ntc-no-such-notice"},
    }


@pytest.mark.parametrize("entrance", COMMANDS, ids=by_name)
def test_a_well_formed_command_of_somebody_who_may_not_changes_nothing(
    scheme: Scheme, new_world: Callable[[str], World], entrance: Entrance
) -> None:
    world = new_world("a minor, plan approved")
    arguments = arguments_of(world)[entrance.name]
    strangers = [role for role in roles.ALL if role not in entrance.entrypoint.roles]

    codes = set()
    for role in strangers:
        with Client(scheme.amqp_uri, token_for(scheme, role)) as client:
            codes.add(code_of(client, entrance, **arguments))
    with Client(scheme.amqp_uri) as client:
        codes.add(code_of(client, entrance, **arguments))

    assert codes == {"unauthenticated"} | ({"forbidden"} if strangers else set())
    ids = [world.case.member_id, world.case.body_id]
    assert not [m["type"] for m in scheme.wire_tap.messages if any(id in json.dumps(m["data"]) for id in ids)]


@pytest.mark.parametrize("entrance", COMMANDS, ids=by_name)
def test_the_same_command_is_well_formed_for_somebody_who_may(
    scheme: Scheme, new_world: Callable[[str], World], entrance: Entrance
) -> None:
    """Without this, the test above would pass for commands that are refused for their form."""
    world = new_world("a minor, plan approved")
    party = {roles.ASSESSOR: {"cab": world.case.body_id}, roles.MEMBER: {"member": world.case.member_id}}
    role = entrance.entrypoint.roles[0]

    with Client(scheme.amqp_uri, scheme.token(role, **party.get(role, {}))) as client:
        code = code_of(client, entrance, **arguments_of(world)[entrance.name])

    needs_what_is_not_there = entrance.name in (
        "assessment.register_auditor",
        "assessment.submit_audit_report",
        "assessment.import_audit_report",
        "notification.begin_backfill",  # it announces nothing
    )
    assert code in (None, "not_found") or (needs_what_is_not_there and code in ("invalid_request", "invalid_report"))


def test_a_body_and_a_member_see_and_change_only_what_is_theirs(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world, other = new_world("a minor, plan not approved"), new_world("a minor, plan approved")
    audit_id = str(scheme.travel(world).audit_id)
    stage(scheme.register, other)
    contact = world.setup["contacts"][0]
    entity = other.setup["entities"][0] | {"entity_id": f"{other.case.member_id}-x", "member_id": world.case.member_id}
    review = {"audit_id": audit_id, "criterion": "9.1", "plan_state": "approved"}
    of_member, of_body = (
        {"kind": "member", "id": world.case.member_id},
        {"kind": "body", "id": world.case.body_id},
    )

    refused: list[tuple[Speaker, str, dict[str, Any], str]] = [
        (other.body, "assessment.get_audit", {"audit_id": audit_id}, "not_found"),
        (other.member, "assessment.get_audit", {"audit_id": audit_id}, "not_found"),
        (other.body, "assessment.submit_audit_report", {"report": world.conforming()}, "invalid_report"),
        (other.body, "assessment.review_corrective_action_plan", review, "not_found"),
        (other.body, "certification.get_case", {"case_id": audit_id}, "not_found"),
        (other.member, "certification.get_case", {"case_id": audit_id}, "not_found"),
        (other.member, "membership.get_organisation", {"member_id": world.case.member_id}, "forbidden"),
        (other.member, "membership.register_entity", entity, "forbidden"),
        (other.member, "membership.set_contact", contact, "forbidden"),
        (other.body, "membership.set_contact", contact, "forbidden"),
        (other.member, "notification.list_notices", {"party": of_member}, "forbidden"),
        (other.body, "notification.list_notices", {"party": of_body}, "forbidden"),
    ]

    for speaker, method, arguments, expected in refused:
        with pytest.raises(Refusal) as refusal:
            scheme.register.call(speaker, method, **arguments)
        assert refusal.value.code == expected, method
    for lister in ("assessment.list_audits", "certification.list_cases", "notification.list_notices"):
        assert scheme.register.every(other.body, lister) == []
        assert scheme.register.every(other.member, lister) == []
        assert len(scheme.register.every(world.body, lister)) >= 1
        assert len(scheme.register.every(world.member, lister)) >= 1


def test_nobody_is_shown_an_address(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world("a minor, plan approved")
    outcome = scheme.travel(world)

    shown = [
        scheme.register.call(SECRETARIAT, "membership.get_organisation", member_id=world.case.member_id),
        scheme.register.every(SECRETARIAT, "notification.list_notices", audit_id=outcome.audit_id),
        scheme.register.every(member(world.case.member_id), "notification.list_notices"),
        scheme.register.every(assessor(world.case.body_id), "notification.list_notices"),
    ]

    told = json.dumps(shown) + json.dumps([m for m in scheme.wire_tap.messages if "contact_changed" not in m["type"]])
    assert not [c["address"] for c in world.setup["contacts"] if c["address"] in told]


def test_tokens_and_addresses_are_in_no_log(
    scheme: Scheme, new_world: Callable[[str], World], log_folder: Path | None
) -> None:
    if log_folder is None:
        pytest.skip("the logs of this system are elsewhere")
    world = new_world("a minor, plan approved")
    token = token_for(scheme, roles.SECRETARIAT)
    with Client(scheme.amqp_uri, token) as client:
        for entrance in CALLED:
            code_of(client, entrance)
    scheme.travel(world)

    logged = "\n".join(path.read_text(errors="replace") for path in log_folder.glob("*.log"))

    assert '"started"' in logged
    assert token not in logged and token.split(".")[2] not in logged
    assert not [c["address"] for c in world.setup["contacts"] if c["address"] in logged]
