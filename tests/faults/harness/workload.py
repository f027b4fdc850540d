"""The work that goes on while faults happen: audits are handed in and accepted, entities and mandates entered."""

import collections
import dataclasses
import json
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pika
import pika.exceptions
from harness.checks import Expected
from harness.history import CallFailed, History

from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable, open_connection
from touchstone_contracts.roles import ASSESSOR
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT, Register, Speaker
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, a_world, stage
from touchstone_devkit.system.runner import System

SUBMITTERS = 4
ATTEMPT_S = 10
GIVE_UP_S = 180
MANDATE_EVERY, MESSAGE_EVERY = 4, 3
INTAKE = "assessment.intake"
UNCONFIRMED = (BrokerUnreachable, BrokerRefused, pika.exceptions.AMQPError, OSError)
Say = Callable[[str], None]
MayStart = Callable[[int], bool]
"""Whether the audit with this number may be begun."""


def small_world() -> World:
    """One member, one body, and one person to tell for each party."""
    world = a_world("a minor, plan approved", secrets.token_hex(4))
    firsts = {(c["party"]["kind"], c["party"]["id"]): c for c in reversed(world.setup["contacts"])}
    return dataclasses.replace(world, setup=world.setup | {"contacts": list(firsts.values())})


def a_report(world: World, index: int) -> tuple[dict[str, Any], str]:
    """A report on an entity of its own, and its outcome: three of four are certified, the fourth is refused."""
    entity = {"id": entity_id(world, index), "name": f"Fictional works {index} (example)", "country": "DE"}
    report = world.conforming(report_id=f"report-{index}", entity=entity)
    report["scope"] |= {"type": "business", "facilities": []}  # the world's facility is another entity's
    majors = (0, 0, 1, 4)[index % 4]
    due_on = report["audited_until"]
    for finding in [f for f in report["findings"] if f["rating"] == "conformance"][:majors]:
        finding |= {"rating": "major_nonconformity", "plan": {"state": "approved", "due_on": due_on}}
    report["recommendation"] = {0: "certify", 1: "certify_provisionally", 4: "do_not_certify"}[majors]
    return report, "refused" if majors == 4 else "issued"


def entity_of(report: dict[str, Any]) -> dict[str, Any]:
    """The report's entity as its member registers it."""
    entity = report["entity"]
    known = {"entity_id": entity["id"], "name": entity["name"], "country": entity["country"]}
    return {"member_id": report["member_id"], "activities": report["scope"]["activities"], **known}


def entity_id(world: World, index: int) -> str:
    return f"{world.case.member_id}-works-{index}"


@dataclasses.dataclass
class Step:
    """One thing that is done for an audit, and the service that it needs."""

    service: str
    take: Callable[[], None]


class Workload:
    """Hands in and accepts audits; each command with its own key, again and again until it is answered."""

    def __init__(self, system: System, world: World, audits: int) -> None:
        self.audits = audits
        self.history = History()
        self.accepted: dict[str, str] = {}
        self.failures: list[str] = []
        self.mandates = f"{world.case.member_id}-mandate-"
        self._world, self._system = world, system
        self._register = Register(system.calls_uri, system.token, timeout_s=ATTEMPT_S)

    def run(self, may_start: MayStart = lambda _index: True) -> None:
        """Returns when all is answered; `may_start` holds an audit back until it says yes."""

        self._go_on([self._steps(index) for index in range(self.audits)], may_start)

    def run_without(self, service: str, count: int) -> Callable[[MayStart], None]:
        """Do what can be done of the first `count` audits while that service is down; gives a function that does the
        rest of them, and all of the others."""
        steps = [self._steps(index, without=service if index < count else None) for index in range(self.audits)]
        self._for_each(lambda index: self._carry_out(steps[index], without=service), count)
        return lambda may_start: self._go_on(steps, may_start)

    def _go_on(self, steps: Sequence[collections.deque[Step]], may_start: MayStart) -> None:
        def carry_out(index: int) -> None:
            until = time.monotonic() + GIVE_UP_S
            while not may_start(index):
                assert time.monotonic() < until, "the faults do not get on"
                if self.history.ended:
                    return
                time.sleep(0.02)
            self._carry_out(steps[index])

        self._for_each(carry_out, self.audits)

    def expected(self) -> Expected:
        """What must be there because it was acknowledged."""
        done = self.history.acknowledged
        return Expected(
            accepted=self.accepted,
            entity_ids={key.removesuffix(".entity") for key in done("membership.register_entity")},
            mandate_ids={key.removesuffix(".mandate") for key in done("certification.sign_mandate")},
            contact_ids=self._world.contact_ids,
        )

    def _for_each(self, carry_out: Callable[[int], None], count: int) -> None:
        with self._register, ThreadPoolExecutor(SUBMITTERS) as pool:
            try:
                list(pool.map(carry_out, range(count)))
            except BaseException:  # Ctrl-C: nobody waits for the rest
                self.history.end()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _carry_out(self, steps: collections.deque[Step], without: str | None = None) -> None:
        """Up to the first step that needs the service `without`."""
        try:
            while steps and steps[0].service != without:
                steps.popleft().take()
        except CallFailed as failure:
            self.failures.append(str(failure))
            steps.clear()

    def _steps(self, index: int, without: str | None = None) -> collections.deque[Step]:
        """All that is done for one audit, in its order."""
        report, expected = a_report(self._world, index)
        id, body, audit_id = report["entity"]["id"], self._world.body, f"{report['body_id']}.{report['report_id']}"

        def register() -> None:
            self._call(self._world.member, "membership.register_entity", f"{id}.entity", **entity_of(report))

        def submit() -> None:
            self._call(body, "assessment.submit_audit_report", f"{id}.submit", report=report)

        def accept() -> None:
            key, arguments = f"{id}.accept", {"audit_id": audit_id, "not_yet": "not_found"}
            self._call(SECRETARIAT, "assessment.accept_audit_report", key, **arguments)
            self.accepted[audit_id] = expected

        def read_notices() -> None:
            self._call(OPERATOR, "notification.list_notices", f"{id}.notices", audit_id=audit_id)

        def read_certificates() -> None:
            member_id = report["member_id"]
            self._call(None, "certification.list_certificates", f"{id}.certificates", member_id=member_id)

        by_message = index % MESSAGE_EVERY == 0 or without == "assessment"
        submitting = (
            Step("broker", lambda: self._submit_by_message(report, f"{id}.submit"))
            if by_message
            else Step("assessment", submit)
        )
        signing = [Step("certification", lambda: self._sign_mandate(index))] if index % MANDATE_EVERY == 0 else []
        return collections.deque(
            [
                Step("membership", register),
                submitting,
                Step("assessment", accept),
                *signing,
                Step("notification", read_notices),
                Step("certification", read_certificates),
            ]
        )

    def _submit_by_message(self, report: dict[str, Any], message_id: str) -> None:
        """Again with the same id until the broker confirms it."""
        until = time.monotonic() + GIVE_UP_S
        while True:
            try:
                with self.history.sending(INTAKE, message_id):
                    self._send(report, message_id)
            except UNCONFIRMED as failure:
                if time.monotonic() > until or self.history.ended:
                    raise CallFailed(f"{INTAKE} {message_id}: {failure!r}") from failure
                time.sleep(0.1)
            else:
                return

    def _send(self, report: dict[str, Any], message_id: str) -> None:
        token = self._system.token(ASSESSOR, cab=report["body_id"])
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=2, message_id=message_id, headers={"authorization": token}
        )
        with open_connection(self._system.calls_uri) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(INTAKE, "", json.dumps({"report": report}).encode(), properties, mandatory=True)

    def _sign_mandate(self, index: int) -> None:
        mandate_id = f"{self.mandates}{index}"
        mandate = self._world.setup["mandate"] | {"mandate_id": mandate_id}
        self._call(SECRETARIAT, "certification.sign_mandate", f"{mandate_id}.mandate", **mandate)

    def _call(self, speaker: Speaker | None, method: str, key: str, **arguments: Any) -> Any:
        return self.history.until_answered(self._register, speaker, method, key, give_up_s=GIVE_UP_S, **arguments)


def prepare(scheme: Scheme, *, rule_set: int | None = None) -> World:
    """A small world that the system knows, with nothing under way; its mandate is for `rule_set`, if that is given."""
    world = small_world()
    if rule_set is not None:
        mandate = world.setup["mandate"] | {"rule_set": rule_set, "mandate_id": f"mandate-{rule_set}"}
        world = dataclasses.replace(world, setup=world.setup | {"mandate": mandate})
    stage(scheme.register, world)
    return world


def settle(
    scheme: Scheme,
    system: System,
    notices: int,
    *,
    timeout_s: float,
    say: Say = lambda _line: None,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Until so many notices were sent and nothing is under way. Raises TimeoutError; too many are found by checks.

    `meanwhile` is called every few seconds while notices are missing.
    """
    until, shown = time.monotonic() + timeout_s, time.monotonic()
    while (sent := len(notices_sent(scheme))) < notices:
        if time.monotonic() > until:
            raise TimeoutError(f"{sent} of {notices} notices sent after {timeout_s:g} s")
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            say(f"{sent} of {notices} notices sent")
            meanwhile()
        time.sleep(0.1)
    left_s = max(1.0, until - time.monotonic())
    wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=left_s)


def notices_sent(scheme: Scheme) -> set[str]:
    sent = "notification.notice_sent.v1"
    return {m["data"]["notice_id"] for m in list(scheme.wire_tap.messages) if m["type"] == sent}
