"""The state machine: people act, time passes, and the machinery moves in any order and with every kind of trouble."""

import contextlib
import datetime
import functools
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from simulation import checks, people
from simulation.looking import picture_of
from simulation.system import SERVICES, Fault, Move, System

FAULTS = st.sampled_from([*[Fault.NONE] * 5, *Fault])
INDEX = st.integers(0, 1_000)
DAYS = st.sampled_from([0, 1, 3, 31, 400, 1_200])
RETRY = datetime.timedelta(minutes=1)
TWIN = -1
MEANWHILE = st.sampled_from([None, None, TWIN]) | INDEX
"""What is done between a handler's reading and its writing: nothing, the very same, or something else that is due."""
SOME = st.lists(st.tuples(INDEX, FAULTS, MEANWHILE), min_size=1, max_size=10)


class Scheme(RuleBasedStateMachine):
    """Drives a `System` and looks at it after each step, and once more when all has come to rest."""

    system_class: type[System] = System

    def __init__(self) -> None:
        super().__init__()
        self._open = contextlib.ExitStack()
        self.system = self._open.enter_context(self.system_class())

    @initialize(active=st.sampled_from([(), people.MEMBERS, people.MEMBERS[:1]]), mandate=st.booleans())
    def begin(self, active: tuple[str, ...], mandate: bool) -> None:
        """Members are entered and perhaps active; for the rest of it they come along later."""
        people.accredit(self.system)
        for member in people.MEMBERS:
            people.change_membership(self.system, member, "register")
        people.register_sites(self.system)
        for member in active:
            people.change_membership(self.system, member, "activate")
        if mandate:
            for standard in range(len(people.STANDARDS)):
                people.sign_mandate(self.system, standard, from_day=self.system.clock.today())

    @rule(
        member=st.sampled_from(people.MEMBERS),
        action=st.sampled_from(["activate", "activate", "suspend", "reinstate"]),
        fault=FAULTS,
        meanwhile=MEANWHILE,
    )
    def change_membership(self, member: str, action: str, fault: Fault, meanwhile: int | None) -> None:
        command = functools.partial(people.change_membership, self.system, member, action)
        command(fault=fault, meanwhile=self._move(meanwhile, command))

    @rule(
        contact=st.sampled_from(sorted(people.CONTACTS)),
        active=st.sampled_from([True, True, False]),
        language=st.sampled_from(["en", "fr"]),
        fault=FAULTS,
    )
    def set_contact(self, contact: str, active: bool, language: str, fault: Fault) -> None:
        people.set_contact(self.system, contact, active=active, language=language, fault=fault)

    @rule(
        number=st.integers(1, 4),
        body_id=st.sampled_from(people.BODIES),
        entity=st.sampled_from(people.ENTITIES),
        standard=st.integers(0, 2),
        findings=st.sampled_from(sorted(people.FINDINGS)),
        by_message=st.booleans(),
        accepted=st.booleans(),
        fault=FAULTS,
        repeat=st.integers(0, 1),
    )
    def hand_in(self, by_message: bool, accepted: bool, fault: Fault, repeat: int, **given: Any) -> None:
        """Often accepted at once, so that more comes of it."""
        report = people.report(audited_until=self.system.clock.today() - datetime.timedelta(days=3), **given)
        people.submit(self.system, report, by_message=by_message, fault=fault, repeat=repeat)
        if accepted:
            self.system.call("assessment", "accept_audit_report", audit_id=f"{given['body_id']}.r-{given['number']}")

    @rule(
        number=st.integers(5, 7),
        entity=st.sampled_from(people.ENTITIES),
        findings=st.sampled_from(sorted(people.FINDINGS)),
        published=st.none() | st.sampled_from([9_999, 10_001, 10_003]),
        days_ago=st.sampled_from([20, 500, 1_300]),
        notify=st.booleans(),
        fault=FAULTS,
    )
    def import_past(
        self, number: int, entity: str, findings: str, published: int | None, days_ago: int, notify: bool, fault: Fault
    ) -> None:
        day = self.system.clock.today() - datetime.timedelta(days=days_ago)
        report = people.report(number, body_id="b-1", entity=entity, standard=2, findings=findings, audited_until=day)
        people.import_past(self.system, report, number=published, notify=notify, fault=fault)

    @precondition(lambda self: self._audits())
    @rule(which=INDEX, accept=st.sampled_from([True, True, False]), fault=FAULTS, meanwhile=MEANWHILE)
    def judge(self, which: int, accept: bool, fault: Fault, meanwhile: int | None) -> None:
        """The Secretariat accepts a report or returns it."""
        audit = self._pick(self._audits(), which)
        method = "accept_audit_report" if accept else "return_audit_report"
        reasons = {} if accept else {"reasons": ["Evidence is missing."]}
        command = functools.partial(self.system.call, "assessment", method, audit_id=audit["_id"], **reasons)
        command(fault=fault, meanwhile=self._move(meanwhile, command))

    @precondition(lambda self: self._audits())
    @rule(which=INDEX, approved=st.booleans(), fault=FAULTS)
    def review_plan(self, which: int, approved: bool, fault: Fault) -> None:
        people.review_plan(self.system, self._pick(self._audits(), which), approved=approved, fault=fault)

    @rule(standard=st.integers(0, 2), in_days=st.sampled_from([-10, 0, 40]), fault=FAULTS, meanwhile=MEANWHILE)
    def sign_mandate(self, standard: int, in_days: int, fault: Fault, meanwhile: int | None) -> None:
        day = self.system.clock.today() + datetime.timedelta(days=in_days)
        command = functools.partial(people.sign_mandate, self.system, standard, from_day=day)
        command(fault=fault, meanwhile=self._move(meanwhile, command))

    @rule(in_days=st.sampled_from([1, 2, 30]), fault=FAULTS, meanwhile=MEANWHILE)
    def publish_rule_set(self, in_days: int, fault: Fault, meanwhile: int | None) -> None:
        day = self.system.clock.today() + datetime.timedelta(days=in_days)
        command = functools.partial(people.publish_rule_set, self.system, from_day=day)
        command(fault=fault, meanwhile=self._move(meanwhile, command))

    @precondition(lambda self: self._cases())
    @rule(which=INDEX, fault=FAULTS, meanwhile=MEANWHILE)
    def decide(self, which: int, fault: Fault, meanwhile: int | None) -> None:
        """A person decides a case."""
        case = self._pick(self._cases(), which)
        command = functools.partial(self.system.call, "certification", "decide_case", case_id=case["_id"])
        command(fault=fault, meanwhile=self._move(meanwhile, command))

    @rule(some=SOME)
    def move(self, some: list[tuple[int, Fault, int | None]]) -> None:
        """Rows are published, messages delivered, deadlines run: any of them, in any order, with any trouble."""
        for which, fault, meanwhile in some:
            moves = self.system.moves()
            if moves:
                _, move = self._pick(moves, which)
                move(fault=fault, meanwhile=self._move(meanwhile, move))

    @rule(days=DAYS)
    def pass_time(self, days: int) -> None:
        self.system.go_on(datetime.timedelta(days=days))

    @rule(service=st.sampled_from(sorted(SERVICES)))
    def restart(self, service: str) -> None:
        self.system.processes[service].restart()

    @rule(times=st.integers(1, 3))
    def put_mails_off(self, times: int) -> None:
        self.system.mails_to_put_off = times

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        _demand_none(checks.always(picture_of(self.system)))

    def teardown(self) -> None:
        """All comes to rest, now and after everything that the calendar still brings."""
        try:
            self.system.settle()
            self.system.go_on(RETRY)  # mails that were put off
            self.system.settle()
            _demand_none(checks.at_rest(picture_of(self.system)))
            self._live_through_the_calendar()
            _demand_none(checks.at_rest(picture_of(self.system)))
        finally:
            self._open.close()

    def _live_through_the_calendar(self) -> None:
        for _ in range(100):
            next_at = [at for p in self.system.processes.values() if (at := p.next_due_at()) is not None]
            if not next_at:
                return
            self.system.clock.time = max(self.system.clock.time, min(next_at))
            self.system.settle()
        raise AssertionError("deadlines never come to an end")

    def _move(self, which: int | None, twin: Move) -> Move | None:
        """Something that happens between another handler's reading and its writing."""
        if which is None or which == TWIN:
            return twin if which == TWIN else None

        def move() -> None:
            if moves := self.system.moves():
                self._pick(moves, which)[1]()

        return move

    def _audits(self) -> list[dict[str, Any]]:
        return self.system.documents("assessment", "audits")

    def _cases(self) -> list[dict[str, Any]]:
        return self.system.documents("certification", "cases")

    @staticmethod
    def _pick(items: list[Any], which: int) -> Any:
        return items[which % len(items)]


def _demand_none(broken: list[str]) -> None:
    if broken:
        raise AssertionError("broken: " + "; ".join(broken))
