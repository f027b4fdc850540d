"""A round asks little, reports before it mends, mends in batches, and goes on where a service was away."""

import datetime
from typing import Any

import pytest

from touchstone.cli.reconcile import Course
from touchstone.reconciliation import round
from touchstone.reconciliation.books import Difference, Mend
from touchstone.reconciliation.round import REPORTED_MAX, Terms
from touchstone.reconciliation.snapshot import SERVICES, Seeds

NOW = datetime.datetime.now(datetime.UTC)
SINCE = NOW - datetime.timedelta(hours=1)
ACCEPTED = "assessment.audit_accepted.v1"


class Services:
    """Answers as four services do whose books hold these audits, of which certification handled some."""

    def __init__(self, audits: int, handled: int = 0):
        published = (NOW - datetime.timedelta(minutes=10)).isoformat()
        self.rows = [
            {"id": f"e-{n:05}", "type": ACCEPTED, "subject": f"aud-{n}", "sequence": 2, "pending": False}
            | {"recorded_at": published, "published_at": published}
            for n in range(audits)
        ]
        self.missing = {row["id"] for row in self.rows[handled:]}
        self.open: dict[str, dict[str, Any]] = {}
        self.accepted: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.refused: list[dict[str, Any]] = []

    def __call__(self, service: str, method: str, **arguments: Any) -> Any:
        self.asked.append((service, method, arguments))
        return getattr(self, method)(service, **arguments)

    def commands(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [asked for asked in self.asked if asked[1].startswith(("report", "republish", "restore"))]

    def get_reconciliation_state(self, service: str, overdue_s: int) -> Any:
        consumes = [ACCEPTED] if service == "certification" else []
        opened = list(self.open.values()) if service == "certification" else []
        accepted = list(self.accepted.values()) if service == "certification" else []
        self.shown = {"open": opened, "accepted": accepted}
        rest = {"differences_next": "2" if opened[2:] else None, "accepted_next": "2" if accepted[2:] else None}
        first = {"differences": opened[:2], "accepted": accepted[:2]}
        return {"consumes": consumes, "announced_in_full": [], "overdue": [], **first, **rest}

    def list_differences(self, service: str, state: str, limit: int, after: str) -> Any:
        start = int(after)
        more = self.shown[state][start + limit :]
        return {"items": self.shown[state][start : start + limit], "next": str(start + limit) if more else None}

    def list_committed_events(self, service: str, ids: Any = None, after: str = "", **_: Any) -> Any:
        rows = [row for row in self.rows if service == "assessment" and (ids is None or row["id"] in ids)]
        page = [row for row in rows if row["id"] > after][:1000]
        return {"items": page, "next": page[-1]["id"] if ids is None and page and page[-1] != rows[-1] else None}

    def list_processed_events(self, service: str, **_: Any) -> Any:
        return {"items": [], "next": None}

    def list_unprocessed_events(self, service: str, events: dict[str, list[str]]) -> Any:
        items = [{"id": id, "type": ACCEPTED, "state": "missing"} for id in events[ACCEPTED] if id in self.missing]
        return {"items": items, "queues": {ACCEPTED: 0} if items else {}, "retrying": 0}

    def list_facts(self, service: str, name: str, keys: list[str]) -> Any:
        if name == "audits":
            return {"items": [{"audit_id": key, "state": "accepted", "accepted_at": "x"} for key in keys]}
        case = {"state": "held", "outcome": None, "number": None}
        empty: dict[str, Any] = {"certificates": [], "announced": [], "lacks_expiry": []}
        return {"items": [{"audit_id": key, **case, **empty} for key in keys] if name == "cases" else []}

    def report_differences(self, service: str, found: Any = (), settled: Any = ()) -> Any:
        self.open |= {difference["id"]: difference for difference in found}
        for id in settled:
            (self.open if id in self.open else self.accepted).pop(id)
        return {"new": [difference["id"] for difference in found]}

    def republish_events(self, service: str, ids: list[str], why: str) -> Any:
        self.missing -= set(ids)
        return {"republished": ids, "refused": self.refused}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long each pause would have been, in seconds."""
    taken: list[float] = []
    monkeypatch.setattr(round.time, "sleep", taken.append)
    return taken


def test_an_idle_round_is_a_few_calls_and_no_command() -> None:
    services = Services(0)

    done = round.reconcile(services, SINCE, Terms(mend=True))

    assert done.calls == len(services.asked) == 2 * len(SERVICES) + 1
    assert services.commands() == [] and done.left == []


def test_without_leave_to_mend_it_reports_and_changes_nothing_else() -> None:
    services = Services(3, handled=1)

    done = round.reconcile(services, SINCE, Terms())
    again = round.reconcile(services, SINCE, Terms())

    assert [method for _, method, _ in services.commands()] == ["report_differences"]
    assert done.counts() == again.counts() == {"event_not_processed": 2}
    assert (done.new, again.new, len(again.left)) == (2, 0, 2)


def test_without_leave_to_report_it_sends_no_command_at_all() -> None:
    services = Services(3)

    round.reconcile(services, SINCE, Terms(report=False))

    assert services.commands() == []


def test_it_reports_before_it_mends_in_batches_at_a_rate_and_settles_afterwards(pauses: list[float]) -> None:
    services = Services(250)

    done = round.reconcile(services, SINCE, Terms(mend=True, rate_per_s=50))
    after = round.reconcile(services, SINCE, Terms())

    methods = [method for _, method, _ in services.commands()]
    assert methods == ["report_differences"] * 3 + ["republish_events"] * 3 + ["report_differences"] * 3
    assert pauses == [2.0, 2.0, 2.0, 1.0]  # before the second look, and after each batch
    assert len(done.mended) == 250 and done.left == [] and len(after.settled) == 250


def test_more_than_it_may_report_is_mended_all_the_same() -> None:
    services = Services(REPORTED_MAX + 1100)

    done = round.reconcile(services, SINCE, Terms(mend=True))

    assert done.new == REPORTED_MAX and len(done.mended) == REPORTED_MAX + 1100
    assert services.missing == set()


def test_what_is_killed_between_two_batches_is_found_by_the_next_run() -> None:
    services = Services(250)
    publish = services.republish_events

    def die(service: str, ids: list[str], why: str) -> Any:
        if "e-00100" in ids:
            raise KeyboardInterrupt
        return publish(service, ids, why)

    services.republish_events = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        round.reconcile(services, SINCE, Terms(mend=True))
    services.republish_events = publish  # type: ignore[method-assign]

    rest = round.reconcile(services, SINCE, Terms(mend=True))

    assert len(rest.mended) == 150 and services.missing == set() and rest.new == 0


def test_what_only_one_look_shows_is_no_difference() -> None:
    services = Services(1)
    look_twice = services.list_unprocessed_events

    def once(service: str, events: Any) -> Any:
        answer = look_twice(service, events)
        services.missing.clear()
        return answer

    services.list_unprocessed_events = once  # type: ignore[method-assign]

    assert round.reconcile(services, SINCE, Terms(mend=True)).differences == []
    assert services.commands() == []


def test_all_open_differences_of_a_service_are_looked_at_however_many_they_are() -> None:
    services = Services(REPORTED_MAX, handled=0)
    round.reconcile(services, SINCE, Terms())
    opened = len(services.open)
    services.missing.clear()

    done = round.reconcile(services, SINCE, Terms())

    assert opened == len(done.settled) == REPORTED_MAX and services.open == {}


def test_what_a_person_accepted_is_neither_reported_nor_mended_nor_left_until_it_is_another(
    pauses: list[float],
) -> None:
    services = Services(2)
    round.reconcile(services, SINCE, Terms())
    services.accepted, services.open = services.open, {}
    pauses.clear()

    done = round.reconcile(services, SINCE, Terms(mend=True))

    assert (done.differences, done.left, done.settled, done.mended, pauses) == ([], [], [], [], [])
    for accepted in services.accepted.values():
        accepted["sentence"] = "What was said before."
    assert len(round.reconcile(services, SINCE, Terms()).left) == 2


def test_what_a_person_accepted_is_settled_when_it_is_seen_no_more() -> None:
    services = Services(1)
    round.reconcile(services, SINCE, Terms())
    services.accepted, services.open = services.open, {}
    services.missing.clear()

    done = round.reconcile(services, SINCE, Terms())

    assert len(done.settled) == 1 and services.accepted == {}


def test_what_an_operator_sends_back_between_the_two_looks_is_left_to_him() -> None:
    services = Services(2)
    looked = services.list_unprocessed_events

    def then_replay(service: str, events: Any) -> Any:
        answer = looked(service, events)
        if len([a for a in services.asked if a[1] == "list_unprocessed_events"]) > 1:
            answer["items"][0]["state"] = "replaying"
            answer["items"][1]["edited"] = True
        return answer

    services.list_unprocessed_events = then_replay  # type: ignore[method-assign]

    done = round.reconcile(services, SINCE, Terms(mend=True))

    assert [(d.about["event"], d.mend) for d in done.differences] == [("e-00001", None)]
    assert done.mended == [] and len(done.left) == 1


def test_a_long_time_is_looked_at_day_by_day_without_a_gap_and_open_differences_once() -> None:
    services = Services(0)
    since = NOW - datetime.timedelta(days=3)

    round.reconcile(services, since, Terms())

    spans = [a for s, m, a in services.asked if s == "assessment" and m == "list_committed_events"]
    assert spans[0]["since"] == since and spans[-1]["until"] is None
    assert [a["until"] for a in spans[:-1]] == [a["since"] for a in spans[1:]] and len(spans) == 3


def test_what_differs_over_several_days_is_mended_each_day_and_not_called_settled() -> None:
    services = Services(5)
    listed = services.list_committed_events

    def by_day(service: str, until: Any = None, ids: Any = None, **asked: Any) -> Any:
        rows = listed(service, ids=ids, **asked)["items"]
        ours = rows if ids is not None else rows[:2] if until else rows[2:]
        return {"items": ours, "next": None}

    services.list_committed_events = by_day  # type: ignore[method-assign]

    done = round.reconcile(services, NOW - datetime.timedelta(days=2), Terms(mend=True))

    assert len(done.differences) == len(done.mended) == 5 and done.settled == []


def test_what_a_service_refuses_to_mend_is_told() -> None:
    services = Services(1)
    services.refused = [{"id": "e-00000", "code": "too_old", "message": "Too old."}]

    done = round.reconcile(services, SINCE, Terms(mend=True))

    assert done.refused == [{"service": "assessment", **services.refused[0]}]


def test_the_same_id_is_asked_for_once_though_two_consumers_lack_it() -> None:
    lacks = [
        Difference(
            consumer, "event_not_processed", {"event": "e-1"}, "x", Mend("assessment", "republish_events", ("e-1",))
        )
        for consumer in ("certification", "notification")
    ]

    assert list(round._mends(lacks)) == [Mend("assessment", "republish_events", ("e-1",))]


def test_what_a_difference_is_about_is_looked_at_again() -> None:
    seeds = Seeds()

    seeds.add("certification", "event_not_processed", {"event": "e-1", "producer": "assessment", "subject": "aud"})
    seeds.add("certification", "event_unknown_upstream", {"event": "e-2", "producer": "assessment", "type": ACCEPTED})
    seeds.add("assessment", "sequence_gap", {"producer": "assessment", "subject": "aud-2"})
    seeds.add("certification", "audit_without_case", {"audit": "aud-3"})
    seeds.add("certification", "queue_missing", {"queue": "q"})

    assert seeds.events == {"assessment": {"e-1"}}
    assert seeds.handled == {"certification": {("e-2", ACCEPTED)}}
    assert seeds.subjects == {"assessment": {"aud-2", "aud-3"}}
    assert seeds.audits == {"aud-3"}


def test_what_a_queue_still_held_is_looked_at_in_every_round_until_it_is_handled_though_it_is_old() -> None:
    services = Services(1)
    for row in services.rows:
        row |= dict.fromkeys(("recorded_at", "published_at"), (NOW - datetime.timedelta(hours=3)).isoformat())
    course = Course(NOW - datetime.timedelta(hours=4))
    lengths = [7, 0]

    def by_time(service: str, since: Any = None, ids: Any = None, **_: Any) -> Any:
        ours = service == "assessment" and (
            services.rows[0]["id"] in ids if ids else since and services.rows[0]["recorded_at"] >= since.isoformat()
        )
        return {"items": services.rows if ours else [], "next": None}

    def holding(service: str, events: Any) -> Any:
        answer = Services.list_unprocessed_events(services, service, events)
        return answer | {"queues": {ACCEPTED: lengths[0]}}

    services.list_committed_events, services.list_unprocessed_events = by_time, holding  # type: ignore[method-assign]

    first = round.reconcile(services, course.begin, Terms())
    course.goes_on(NOW, first)
    second = round.reconcile(services, NOW - datetime.timedelta(hours=2), Terms(), course.carried)
    lengths[0] = 0  # the queue was deleted, and made anew
    third = round.reconcile(services, NOW - datetime.timedelta(hours=2), Terms(), second.unfinished.values())

    assert first.differences == second.differences == []
    assert [d.kind for d in third.differences] == ["event_not_processed"]
