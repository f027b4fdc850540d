"""Takes a system through all that happens in it: every command, event and deadline, good and bad, at least once."""

import dataclasses
import datetime
import json
import os
import secrets
import signal
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import pika

from touchstone.provisioning.provision import installed_topologies
from touchstone.rpc.blocking import open_connection
from touchstone_chassis.mongo import clock
from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.errors import InvalidRequest, NotFound
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import dead_letter, event_queue
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import OPERATOR, REGISTRAR, SECRETARIAT, Speaker
from touchstone_devkit.demo.scheme import Scheme, decision_events
from touchstone_devkit.demo.worlds import World, a_world, before_joining, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import SERVICES, System
from touchstone_testing.event_keys import signed
from touchstone_testing.life import life
from touchstone_testing.reference_data import a_later_rule_set, a_later_standard, later_obligations

WITHIN_S = 30
DAY_S = 24 * 3600.0
ACCEPTED: str = AuditAccepted.type_name
_CONSUMED = {topology.service: topology.consumes for topology in installed_topologies() if topology.consumes}
KNOWN = {service: events[0].type_name for service, events in _CONSUMED.items()} | {"certification": ACCEPTED}
"""An event that each service consumes, as far as one does."""
QUEUES = {service: event_queue(service, type_name) for service, type_name in KNOWN.items()}
"""By service, a queue of events. The others consume none: what they give up is laid into their dead-letter queue."""


@dataclasses.dataclass
class Places:
    """What the tour left behind and queries ask for."""

    world: World
    audit_id: str
    number: int
    notice_id: str
    party: dict[str, str]
    letters: dict[str, dict[str, Any]]
    event_ids: dict[str, list[str]]
    types: list[str]
    subjects: list[str]
    causes: list[str]
    all_events: list[str]
    consumed: dict[str, dict[str, list[str]]]
    facts: dict[str, dict[str, list[str]]]


class Tour:
    """The flows, each a method; `run` takes them in an order in which none waits for another's leftovers."""

    def __init__(self, system: System, scheme: Scheme) -> None:
        self.system, self.scheme = system, scheme
        self.letters: dict[str, dict[str, Any]] = {}

    def a_mandate_ends(self) -> None:
        order = {"rule_set": 2, "standards": [{"code": "PS", "version": "2.0"}], "mandate_id": "short-lived"}
        days = {"valid_from": "2018-01-01", "valid_until": "2099-12-31"}
        self.call(SECRETARIAT, "certification.sign_mandate", **order, **days)
        self.call(SECRETARIAT, "certification.end_mandate", mandate_id="short-lived", reason="Signed by mistake.")

    def run(self) -> None:
        self.no_mandate_yet()
        self.call(SECRETARIAT, "certification.publish_rule_set", document=a_later_rule_set())
        self.call(SECRETARIAT, "assessment.publish_standard", document=a_later_standard())
        self.call(SECRETARIAT, "membership.publish_obligations", document=later_obligations())
        self.a_mandate_ends()
        self.finished = self.a_certificate()
        self.a_certificate_lives()
        self.refused_and_held()
        self.waits_for_its_member()
        self.returned_and_handed_in_again()
        self.contacts_come_late()
        self.wrong_addresses()
        self.nobody_to_tell()
        self.an_import()
        self.another_standard()
        self.by_message()
        self.names_what_nobody_knows()
        self.dead_letters()
        self.reconciled()
        self.filled()
        self.be_quiet()

    def be_quiet(self) -> None:
        wait_until_quiet(self.system.amqp_uri, self.system.mongo_uri, self.system.database_prefix, timeout_s=60)

    def call(self, speaker: Speaker | None, method: str, **arguments: Any) -> Any:
        return self.scheme.register.call(speaker, method, **arguments)

    def world(self, title: str = "a minor, plan approved") -> World:
        return a_world(title, secrets.token_hex(3))

    def accepted(self, world: World, report: dict[str, Any] | None = None) -> str:
        """The id of an audit that was handed in and accepted."""
        audit_id = self.call(world.body, "assessment.submit_audit_report", report=report or world.report())["audit_id"]
        self.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
        return str(audit_id)

    def comes_to(self, audit_id: str, state: str) -> None:
        def is_there() -> bool:
            try:
                return bool(self.call(SECRETARIAT, "certification.get_case", case_id=audit_id)["state"] == state)
            except NotFound:
                return False

        eventually(is_there, within_s=WITHIN_S)

    def no_mandate_yet(self) -> None:
        """One case that a person decides, and one that the mandate decides which is signed later."""
        first, second = self.world(), self.world()
        audits = []
        for world in (first, second):
            self.stage_without_mandate(world)
            audits.append(self.accepted(world))
        for audit_id in audits:
            self.comes_to(audit_id, "awaiting_decision")
        self.call(SECRETARIAT, "certification.list_unfinished")
        self.call(SECRETARIAT, "certification.decide_case", case_id=audits[0])
        stage(self.scheme.register, second)
        self.comes_to(audits[1], "decided")

    def stage_without_mandate(self, world: World) -> None:
        with_none = {**world.setup, "mandate": world.setup["mandate"] | {"mandate_id": "not-yet", **_OTHER_TIMES}}
        stage(self.scheme.register, World(world.case, with_none))

    def a_certificate(self) -> tuple[World, str]:
        world = self.world()
        outcome = self.scheme.travel(world)
        # The same entity and scope again: the certificate that there is stands in the way.
        again = self.accepted(world, world.report(report_id=f"{world.case.report['report_id']}-2"))
        self.comes_to(again, "held")
        self.call(SECRETARIAT, "certification.refuse_case", case_id=again, reason="There is a certificate for it.")
        return world, str(outcome.audit_id)

    def a_certificate_lives(self) -> None:
        """By audits of every kind, to its withdrawal."""
        world = self.world()
        self.scheme.travel(world)
        for report, _, _ in life(world):
            self.comes_to(self.accepted(world, report), "decided")

    def refused_and_held(self) -> None:
        self.scheme.travel(self.world("four majors"))
        held = self.world("a minor, plan not approved")
        audit_id = str(self.scheme.travel(held).audit_id)
        finding = next(f for f in held.case.report["findings"] if "nonconformity" in f["rating"])
        self.call(
            held.body,
            "assessment.review_corrective_action_plan",
            audit_id=audit_id,
            criterion=finding["criterion"],
            plan_state="approved",
        )
        self.comes_to(audit_id, "decided")
        self.scheme.travel(self.world("a minor, plan not approved"))  # nobody ever approves it
        until_due = self.world("a major, plan approved")
        stage(self.scheme.register, until_due)
        self.comes_to(self.accepted(until_due, with_open_plans(until_due.report())), "held")

    def waits_for_its_member(self) -> None:
        """Entered and no member yet; and another that was suspended and is reinstated."""
        world = self.world()
        stage(self.scheme.register, before_joining(world))
        audit_id = self.accepted(world)
        self.comes_to(audit_id, "awaiting_member")
        stage(self.scheme.register, world)
        self.comes_to(audit_id, "decided")
        world = self.world()
        member_id = world.case.member_id
        stage(self.scheme.register, world)
        self.call(SECRETARIAT, "membership.suspend", member_id=member_id, reasons=["Fee overdue."])
        self.hears("membership.membership_suspended.v1", member_id)
        audit_id = self.accepted(world)
        self.comes_to(audit_id, "held")
        self.call(SECRETARIAT, "membership.reinstate", member_id=member_id)
        self.comes_to(audit_id, "decided")

    def hears(self, kind: str, subject: str) -> None:
        self.scheme.wire_tap.wait_for(
            lambda: any(m["type"] == kind and m["subject"] == subject for m in self.scheme.wire_tap.messages),
            timeout_s=WITHIN_S,
            what=f"{kind} of {subject}",
        )

    def returned_and_handed_in_again(self) -> None:
        """And one more that stays where nobody looked at it."""
        world = self.world()
        stage(self.scheme.register, world)
        audit_id = self.call(world.body, "assessment.submit_audit_report", report=world.report())["audit_id"]
        self.call(SECRETARIAT, "assessment.return_audit_report", audit_id=audit_id, reasons=["Evidence is missing."])
        self.call(world.body, "assessment.submit_audit_report", report=world.conforming())
        self.call(world.body, "assessment.submit_audit_report", report=world.report(report_id="stays"))

    def contacts_come_late(self) -> None:
        world = self.world()
        audit_id, others = self.decided_with_contacts_of_the_secretariat_alone(world)
        first, contact = (
            next(c for c in world.setup["contacts"] if c["party"]["kind"] == kind) for kind in ("body", "member")
        )
        for one in (first, contact):
            self.call(REGISTRAR, "membership.set_contact", **one)
        self.told(audit_id, {one["contact_id"] for one in (*others, first, contact)})
        # One that can be reached no more, and then again.
        self.call(REGISTRAR, "membership.set_contact", **contact | {"active": False})
        self.call(REGISTRAR, "membership.set_contact", **contact)

    def wrong_addresses(self) -> None:
        """One is mended after the notice was sent again in vain; one stays as it is."""
        audit_ids, contacts = [], []
        for _ in range(2):
            world = self.world("four majors")
            contact = next(c for c in world.setup["contacts"] if c["party"]["kind"] == "member")
            others = [c for c in world.setup["contacts"] if c is not contact]
            wrong = contact | {"address": "refused@example.org"}
            stage(self.scheme.register, World(world.case, world.setup | {"contacts": [wrong, *others]}))
            audit_ids.append(self.accepted(world))
            contacts.append(contact)
            (failed,) = self.notices(audit_ids[-1], "failed")
        self.call(REGISTRAR, "notification.send_notices_again", notice_id=failed["notice_id"])
        again = {"contact_id": contacts[0]["contact_id"], "limit": 1, "after": "2026"}
        self.call(REGISTRAR, "notification.send_notices_again", **again)
        self.call(REGISTRAR, "membership.set_contact", **contacts[0])
        eventually(
            lambda: contacts[0]["contact_id"] in _contacts(self.notices(audit_ids[0], "sent")), within_s=WITHIN_S
        )

    def notices(self, audit_id: str, state: str) -> list[dict[str, Any]]:
        """Those in a state, once there are some."""
        asked = {"audit_id": audit_id, "state": state}
        return eventually(
            lambda: self.scheme.register.every(OPERATOR, "notification.list_notices", **asked), within_s=WITHIN_S
        )

    def nobody_to_tell(self) -> None:
        """Neither for the body nor for the member, ever."""
        audit_id, others = self.decided_with_contacts_of_the_secretariat_alone(self.world())
        self.told(audit_id, {one["contact_id"] for one in others})

    def decided_with_contacts_of_the_secretariat_alone(self, world: World) -> tuple[str, list[dict[str, Any]]]:
        others = [c for c in world.setup["contacts"] if c["party"]["kind"] == "secretariat"]
        stage(self.scheme.register, World(world.case, world.setup | {"contacts": others}))
        audit_id = self.accepted(world)
        self.decided(audit_id)
        return audit_id, others

    def decided(self, audit_id: str) -> None:
        eventually(lambda: decision_events(self.scheme.wire_tap, audit_id), within_s=WITHIN_S)

    def told(self, audit_id: str, contact_ids: Iterable[str]) -> None:
        def told() -> bool:
            notices = self.scheme.register.every(OPERATOR, "notification.list_notices", audit_id=audit_id, state="sent")
            return {n["contact_id"] for n in notices} == set(contact_ids)

        eventually(told, within_s=WITHIN_S)

    def an_import(self) -> None:
        self.scheme.travel(self.world("INALUM, Kuala Tanjung"))

    def another_standard(self) -> None:
        """An audit by the Chain of Custody standard, as assessment would announce it."""
        rows = self.documents("assessment", "events")
        accepted = next(json.loads(row["body"]) for row in rows if row["type"] == ACCEPTED)
        data = accepted["data"] | {"audit_id": "another-standard", "standard": {"code": "CoC", "version": "2.0"}}
        event = accepted | {"id": uuid.uuid4().hex, "subject": "another-standard", "data": data}
        self.publish(QUEUES["certification"], json.dumps(event).encode(), kind=CONTENT_TYPE)
        self.comes_to("another-standard", "awaiting_decision")  # the mandate is for another

    def by_message(self) -> None:
        """One that is taken, and one that is refused."""
        world = self.world()
        stage(self.scheme.register, world)
        token = self.scheme.token("assessor", cab=world.case.body_id, sub=world.body.sub)
        for report in (world.report(), world.report(body_id="somebody-else")):
            id = self.publish("assessment.intake", json.dumps({"report": report}).encode(), {"authorization": token})
            self.answered(id)

    def names_what_nobody_knows(self) -> None:
        """Taken by message, and returned once it is certain that nobody knows it."""
        world = self.world()
        stage(self.scheme.register, world)
        token = self.scheme.token("assessor", cab=world.case.body_id, sub=world.body.sub)
        report = world.report()
        report["scope"]["facilities"].append({"id": "no-such-facility", "name": "Nowhere", "country": "DE"})
        body = json.dumps({"report": report}).encode()
        self.answered(self.publish("assessment.intake", body, {"authorization": token}))
        audit_id = f"{report['body_id']}.{report['report_id']}".lower()
        self.hears("assessment.audit_report_returned.v1", audit_id)

    def answered(self, message_id: str) -> None:
        self.scheme.wire_tap.wait_for(
            lambda: any(m.get("causationid") == message_id for m in self.scheme.wire_tap.messages),
            timeout_s=WITHIN_S,
            what=f"the answer to message {message_id}",
        )

    def publish(
        self, queue: str, body: bytes, headers: Mapping[str, Any] | None = None, kind: str = "application/json"
    ) -> str:
        """Put a message on a queue, an event as assessment would; its id."""
        id = uuid.uuid4().hex
        if kind == CONTENT_TYPE:
            headers = signed(self.system.environment, "assessment", body)
        properties = pika.BasicProperties(
            content_type=kind, delivery_mode=2, message_id=id, headers=dict(headers or {}), correlation_id=id
        )
        with open_connection(self.system.amqp_uri) as connection:
            connection.channel().basic_publish("", queue, body, properties)
        return id

    def dead_letters(self) -> None:
        """In each service: kept, edited, replayed and discarded."""
        for service in SERVICES:
            letters = [self.broken(service) for _ in range(3)]
            first, second = letters[0]["id"], letters[1]["id"]
            self.letters[service] = letters[0]
            mended = json.dumps(event_for(service) | {"id": letters[0]["message_id"]})
            for method, arguments in (
                ("edit_dead_letter", {"id": first, "body": mended}),
                ("replay_dead_letters", {"filter": {"reason": letters[0]["reason"]}, "dry_run": True, "rate_per_s": 5}),
                ("replay_dead_letters", {"ids": [first], "force": True}),
                ("discard_dead_letters", {"ids": [second]}),
                ("discard_dead_letters", {"filter": {"older_than_s": 1}, "dry_run": True}),
            ):
                self.call(OPERATOR, f"{service}.{method}", **arguments, why="On tour.")

    def broken(self, service: str) -> dict[str, Any]:
        """Put a message there that cannot be read, and wait until it is a dead letter."""
        message_id = self.publish(QUEUES.get(service, dead_letter(service)), b"{", kind=CONTENT_TYPE)

        def kept() -> list[dict[str, Any]]:
            found = self.scheme.register.every(OPERATOR, f"{service}.list_dead_letters")
            return [letter for letter in found if letter["message_id"] == message_id]

        return eventually(kept, within_s=WITHIN_S)[0]

    def reconciled(self) -> None:
        """Compare the ledgers, and try each of the operator's means."""
        self.be_quiet()
        done = self.system.run("touchstone", "reconcile", "--json", "--role", "operator", "--grace", "0", "--mend")
        assert done.stdout.startswith("{"), done.stderr
        why = {"why": "On tour."}
        for service in SERVICES:
            recent = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)).isoformat()
            items = self.call(OPERATOR, f"{service}.find_events", since=recent)["items"]
            ids = [item["id"] for item in items[:3]] or ["none"]
            self.call(OPERATOR, f"{service}.republish_events", ids=ids, **why)
        self.restore_deadlines()

    def filled(self) -> None:
        """The two that keep copies, from their producers' logs; and each log, sent to nobody."""
        with ThreadPoolExecutor() as both:
            list(both.map(self._fill, ("certification", "notification")))
        for service in SERVICES:
            types = [counted["_id"] for counted in self.documents(service, "event_counts")]
            begun = self.call(OPERATOR, f"{service}.begin_backfill", consumer="nobody", types=types)
            run = {"consumer": "nobody", "run": begun["run"], "limit": 1}
            for _ in range(3):
                self.call(OPERATOR, f"{service}.continue_backfill", **run)
            counts = self.call(OPERATOR, f"{service}.count_events", boundary=begun["boundary"])["counts"]
            settled = {"producer": service, "boundary": begun["boundary"], "counts": counts}
            self.call(OPERATOR, f"{service}.settle_counts", **settled)

    def _fill(self, consumer: str) -> None:
        done = self.system.run("touchstone", "backfill", consumer, "--json", "--role", "operator")
        assert done.returncode == 0, done.stdout + done.stderr

    def restore_deadlines(self) -> None:
        """Where there is one, and where there is none."""
        certificates = self.documents("certification", "certificates")
        notices = self.documents("notification", "notices")
        held = [c["_id"] for c in self.documents("certification", "cases") if c["state"] == "held"]
        for service, kind, keys in (
            *((service, "no_such_kind", ["none"]) for service in SERVICES),
            ("certification", "certificate_expiry", [c["_id"] for c in certificates][:5]),
            ("certification", "plan_due", held),
            ("notification", "send_notice", [n["_id"] for n in notices][:5]),
        ):
            self.call(OPERATOR, f"{service}.restore_deadlines", kind=kind, keys=keys, why="On tour.")

    def documents(self, service: str, collection: str) -> list[dict[str, Any]]:
        with self.scheme.observer() as observer:
            return list(observer.collection(service, collection).find().limit(1_000))

    def killed_while_at_work(self) -> None:
        """Certification dies with messages in its hands, and is handed them again."""
        process = self.system.processes["certification"]
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                event = event_for("certification") | {"id": uuid.uuid4().hex}
                self.publish(QUEUES["certification"], json.dumps(event).encode(), kind=CONTENT_TYPE)
        finally:
            self.system.kill("certification", signal.SIGKILL)
        self.system.wait_until_ready()
        self.be_quiet()

    def left_in_the_outbox(self) -> None:
        """Rows as a crash leaves them, and one that no queue takes: the sweep finds them."""
        announced = {"body": {"$exists": True}}
        with self.scheme.observer() as observer:
            outboxes = [observer.collection(service, "outbox") for service in SERVICES]
            events = [observer.collection(service, "events").find_one(announced) for service in SERVICES]
            for outbox, event in zip(outboxes, events, strict=True):
                self._is_swept(outbox, event or next(filter(None, events)))  # some service may announce nothing

    def _is_swept(self, outbox: Any, row: dict[str, Any]) -> None:
        overdue = {"pending": True, "next_attempt_at": datetime.datetime.now(datetime.UTC), "attempts": 0}
        outbox.replace_one({"_id": row["_id"]}, row | overdue, upsert=True)
        eventually(lambda: outbox.count_documents({"pending": True}) == 0, within_s=WITHIN_S)
        outbox.insert_one(row | overdue | {"_id": "lost", "exchange": "no.such.exchange", "attempts": 0})
        eventually(lambda: outbox.find_one({"_id": "lost", "attempts": {"$gte": 1}}), within_s=WITHIN_S)
        outbox.delete_one({"_id": "lost"})

    def years_pass(self) -> None:
        """A membership begins, and holds and certificates come to their end."""
        for status in ("valid", "expired", "not_yet_valid"):
            self.call(None, "certification.list_certificates", status=status)
        audit_id = self.active_from_tomorrow()
        self.comes_to(audit_id, "held")
        self.move_clock(3 * DAY_S)
        self.comes_to(audit_id, "decided")
        self.move_clock(5 * 366 * DAY_S)
        self.scheme.wire_tap.wait_for(
            lambda: any(m["type"] == "certification.certificate_expired.v1" for m in self.scheme.wire_tap.messages),
            timeout_s=WITHIN_S,
            what="the end of a certificate",
        )
        self.be_quiet()

    def active_from_tomorrow(self) -> str:
        """An audit of a member whom the register, when its clock was a day ahead, was told to be active."""
        world = self.world()
        member = world.setup["members"][0]
        tomorrow = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)).isoformat()
        later = world.setup | {"members": [member | {"joined_on": tomorrow}]}
        self.move_clock(DAY_S)

        def staged() -> bool:
            try:
                stage(self.scheme.register, World(world.case, later))
            except InvalidRequest:  # as long as membership has not seen its clock move
                return False
            return True

        def issued_tomorrow() -> int | None:
            certificate = self.scheme.travel(self.world()).certificate
            return certificate["number"] if certificate and certificate["issued_on"] == tomorrow else None

        eventually(staged, within_s=WITHIN_S)
        number = eventually(issued_tomorrow, within_s=WITHIN_S)
        self.move_clock(0)
        eventually(lambda: self.status_of(number) == "not_yet_valid", within_s=WITHIN_S)
        return self.accepted(world)

    def status_of(self, number: int | None) -> str:
        return str(self.call(None, "certification.get_certificate", number=number)["status"])

    def move_clock(self, offset_s: float) -> None:
        clock.move(self.system.mongo_uri, self.system.database_prefix, offset_s, sandbox=True)

    def places(self) -> Places:
        """What there is now, for queries to ask for."""
        world, audit_id = self.finished
        case = self.call(SECRETARIAT, "certification.get_case", case_id=audit_id)
        notices = self.call(OPERATOR, "notification.list_notices", audit_id=audit_id)["items"]
        rows = {service: self.documents(service, "events")[:200] for service in SERVICES}
        types = {row["_id"]: row["type"] for found in rows.values() for row in found}
        return Places(
            world=world,
            audit_id=audit_id,
            number=case["certificate_number"],
            notice_id=notices[0]["notice_id"],
            party={"kind": "member", "id": world.case.member_id},
            letters=self.letters,
            event_ids={service: [row["_id"] for row in found][:20] for service, found in rows.items()},
            types=sorted(set(types.values())),
            subjects=[audit_id, world.case.member_id],
            causes=sorted({row["causation_id"] for found in rows.values() for row in found if row.get("causation_id")}),
            all_events=list(types)[:100],
            consumed={service: self._consumed(service, types) for service in SERVICES},
            facts={
                "membership": {"contacts": [c["_id"] for c in self.documents("membership", "contacts")][:50]},
                "assessment": {"audits": [audit_id]},
                "certification": {
                    "cases": [c["_id"] for c in self.documents("certification", "cases")],
                    "certificates": [c["_id"] for c in self.documents("certification", "certificates")],
                },
                "notification": {"announcements": [a["_id"] for a in self.documents("notification", "announcements")]},
            },
        )

    def _consumed(self, service: str, types: Mapping[str, str]) -> dict[str, list[str]]:
        """Ids of events that the service consumes, and of one that it never met, by type."""
        wanted = self.call(OPERATOR, f"{service}.get_reconciliation_state")["consumes"]
        return {kind: [*[id for id, t in types.items() if t == kind][:20], "never-met"] for kind in wanted}


def _contacts(notices: Iterable[Mapping[str, Any]]) -> set[str]:
    return {notice["contact_id"] for notice in notices}


def with_open_plans(report: dict[str, Any]) -> dict[str, Any]:
    """The report, of an audit of these days, with plans that nobody approved yet, due in four weeks."""
    ended_on = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=2)
    due_on = ended_on + datetime.timedelta(days=28)
    report |= {"audited_from": ended_on.isoformat(), "audited_until": ended_on.isoformat()}
    for finding in [f for f in report["findings"] if "plan" in f]:
        finding["plan"] = {"state": "submitted", "due_on": due_on.isoformat()}
    return report


def event_for(service: str) -> dict[str, Any]:
    """An event as the service might get one."""
    kind = KNOWN.get(service, ACCEPTED)
    text = resources.files("touchstone_contracts").joinpath(f"examples/{kind}.json").read_text()
    event: dict[str, Any] = json.loads(text)
    return event


_OTHER_TIMES = {"valid_from": "2001-01-01", "valid_until": "2001-12-31"}
