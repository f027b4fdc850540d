"""A round asks little, tells each discrepancy once, mends in batches, and goes on where a service was away."""

import datetime
from typing import Any

import pytest

from touchstone.cli.reconcile import Course
from touchstone.reconciliation import round
from touchstone.reconciliation.ledger import Discrepancy, Mend
from touchstone.reconciliation.round import Terms
from touchstone.reconciliation.snapshot import PAGE, Seeds
from touchstone_contracts.services import SERVICES

pytestmark = pytest.mark.usefixtures("fixed_time")

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
SINCE = NOW - datetime.timedelta(hours=1)
ACCEPTED = "assessment.audit_accepted.v1"


class Services:
    """Answers as four services do whose ledgers hold these audits, of which certification handled some."""

    def __init__(self, audits: int, handled: int = 0):
        published = (NOW - datetime.timedelta(minutes=10)).isoformat()
        self.rows = [
            {"id": f"e-{n:05}", "type": ACCEPTED, "subject": f"aud-{n}", "sequence": 2, "pending": False}
            | {"recorded_at": published, "published_at": published}
            for n in range(audits)
        ]
        self.missing = {row["id"] for row in self.rows[handled:]}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.refused: list[dict[str, Any]] = []

    def __call__(self, service: str, method: str, **arguments: Any) -> Any:
        self.asked.append((service, method, arguments))
        return getattr(self, method)(service, **arguments)

    def commands(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [asked for asked in self.asked if asked[1].startswith(("republish", "restore"))]

    def get_reconciliation_state(self, service: str, overdue_s: int) -> Any:
        consumes = [ACCEPTED] if service == "certification" else []
        return {"consumes": consumes, "announced_in_full": [], "overdue": []}

    def find_events(self, service: str, limit: int, ids: Any = None, after: str = "", **_: Any) -> Any:
        rows = [row for row in self.rows if service == "assessment" and (ids is None or row["id"] in ids)]
        left = [row for row in rows if row["id"] > after]
        return {"items": left[:limit], "next": left[limit - 1]["id"] if left[limit:] else None}

    def list_processed_events(self, service: str, **_: Any) -> Any:
        return {"items": [], "next": None}

    def list_unprocessed_events(self, service: str, events: dict[str, list[str]]) -> Any:
        items = [
            {"id": id, "type": ACCEPTED, "state": "missing"} for id in events.get(ACCEPTED, ()) if id in self.missing
        ]
        return {"items": items, "queues": {ACCEPTED: 0} if items else {}, "retrying": 0}

    def list_facts(self, service: str, name: str, keys: list[str]) -> Any:
        if name == "audits":
            return {"items": [{"audit_id": key, "state": "accepted", "accepted_at": "x"} for key in keys]}
        case = {"state": "held", "outcome": None, "number": None}
        empty: dict[str, Any] = {"certificates": [], "announced": [], "lacks_expiry": []}
        return {"items": [{"audit_id": key, **case, **empty} for key in keys] if name == "cases" else []}

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


def test_without_leave_to_mend_it_sends_no_command_and_tells_the_same_each_time() -> None:
    services = Services(3, handled=1)

    done = round.reconcile(services, SINCE, Terms())
    again = round.reconcile(services, SINCE, Terms())

    assert services.commands() == []
    assert done.counts() == again.counts() == {"event_not_processed": 2}
    assert len(again.left) == 2


def test_it_mends_in_batches_at_a_rate(pauses: list[float]) -> None:
    services = Services(PAGE + 250, handled=PAGE)

    done = round.reconcile(services, SINCE, Terms(mend=True, rate_per_s=50))

    assert [method for _, method, _ in services.commands()] == ["republish_events"] * 3
    assert pauses == [2.0, 2.0, 2.0, 1.0]  # before the second look, and after each batch
    assert len(done.mended) == 250 and done.left == [] and services.missing == set()


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

    assert len(rest.mended) == 150 and services.missing == set()


def test_what_only_one_look_shows_is_no_discrepancy() -> None:
    services = Services(1)
    look_twice = services.list_unprocessed_events

    def once(service: str, events: Any) -> Any:
        answer = look_twice(service, events)
        services.missing.clear()
        return answer

    services.list_unprocessed_events = once  # type: ignore[method-assign]

    assert round.reconcile(services, SINCE, Terms(mend=True)).discrepancies == []
    assert services.commands() == []


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

    assert [(d.about["event"], d.mend) for d in done.discrepancies] == [("e-00001", None)]
    assert done.mended == [] and len(done.left) == 1


def test_a_long_time_is_looked_at_day_by_day_without_a_gap() -> None:
    services = Services(0)
    since = NOW - datetime.timedelta(days=3)

    round.reconcile(services, since, Terms())

    asked = [a for s, m, a in services.asked if s == "certification" and m == "list_processed_events"]
    assert asked[0]["since"] == since and asked[-1]["until"] is None
    assert [a["until"] for a in asked[:-1]] == [a["since"] for a in asked[1:]] and len(asked) == 3
    begins = [a["since"] for s, m, a in services.asked if s == "assessment" and m == "find_events"]
    assert begins == [a["since"] for a in asked]


def test_an_event_whose_handler_takes_types_of_several_producers_is_unknown_only_if_none_of_them_knows_it() -> None:
    services = Services(1, handled=1)
    handled = [
        {"id": id, "type": type_name}
        for id in ("e-00000", "e-lost")
        for type_name in (ACCEPTED, "membership.member_noted.v1")
    ]

    def only_by_id(service: str, limit: int, ids: Any = (), **_: Any) -> Any:
        return Services.find_events(services, service, limit, ids=ids)

    services.find_events = only_by_id  # type: ignore[method-assign]
    services.list_processed_events = lambda service, **_: {"items": handled, "next": None}  # type: ignore[method-assign]

    done = round.reconcile(services, SINCE, Terms())

    assert [(d.kind, d.about["event"]) for d in done.discrepancies] == [("event_unknown_upstream", "e-lost")]


def test_what_differs_over_several_days_is_told_and_mended_once_with_its_day() -> None:
    services = Services(5)
    for row in services.rows[:2]:
        row |= dict.fromkeys(("recorded_at", "published_at"), (NOW - datetime.timedelta(hours=40)).isoformat())
    mended: list[int] = []
    publish = services.republish_events
    services.republish_events = lambda *a, ids, **k: mended.append(len(ids)) or publish(*a, ids=ids, **k)  # type: ignore

    done = round.reconcile(services, NOW - datetime.timedelta(days=2), Terms(mend=True))

    assert len({d.id for d in done.discrepancies}) == len(done.discrepancies) == len(done.mended) == 5
    assert mended == [2, 3]


def test_what_a_service_refuses_to_mend_is_told() -> None:
    services = Services(1)
    services.refused = [{"id": "e-00000", "code": "too_old", "message": "Too old."}]

    done = round.reconcile(services, SINCE, Terms(mend=True))

    assert done.refused == [{"service": "assessment", **services.refused[0]}]


def test_the_same_id_is_asked_for_once_though_two_consumers_lack_it() -> None:
    lacks = [
        Discrepancy(
            consumer, "event_not_processed", {"event": "e-1"}, "x", Mend("assessment", "republish_events", ("e-1",))
        )
        for consumer in ("certification", "notification")
    ]

    assert list(round._mends(lacks)) == [Mend("assessment", "republish_events", ("e-1",))]


def test_what_a_discrepancy_is_about_is_looked_at_again() -> None:
    about: list[tuple[str, str, dict[str, str]]] = [
        ("certification", "event_not_processed", {"event": "e-1", "producer": "assessment", "subject": "aud"}),
        ("certification", "event_unknown_upstream", {"event": "e-2", "producer": "assessment", "type": ACCEPTED}),
        ("assessment", "sequence_gap", {"producer": "assessment", "subject": "aud-2"}),
        ("certification", "audit_without_case", {"audit": "aud-3"}),
        ("certification", "queue_missing", {"queue": "q"}),
    ]

    seeds = Seeds.of([Discrepancy(*told, sentence="It differs.") for told in about])

    assert seeds.events == {"assessment": {"e-1"}}
    assert seeds.handled == {"certification": {("e-2", ACCEPTED)}}
    assert seeds.subjects == {"assessment": {"aud-2", "aud-3"}}
    assert seeds.audits == {"aud-3"}


def test_what_differed_is_looked_at_in_every_round_until_it_is_gone_though_it_is_old() -> None:
    services = Services(1, handled=1)
    services.list_facts = lambda *_, **__: {"items": []}  # type: ignore[method-assign]
    found = Discrepancy("certification", "case_without_audit", {"audit": "aud-0"}, "It is not known.")
    course, done = Course(NOW), round.Round(NOW, discrepancies=[found])

    course.goes_on(NOW, done)
    round.reconcile(services, NOW, Terms(), Seeds.of(course.open, course.carried))

    asked = [arguments for _, method, arguments in services.asked if method == "list_facts"]
    assert {"name": "cases", "keys": ["aud-0"]} in asked


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

    services.find_events, services.list_unprocessed_events = by_time, holding  # type: ignore[method-assign]

    first = round.reconcile(services, course.begin, Terms())
    course.goes_on(NOW, first)
    second = round.reconcile(
        services, NOW - datetime.timedelta(hours=2), Terms(), Seeds.of(course.open, course.carried)
    )
    lengths[0] = 0  # the queue was deleted, and made anew
    third = round.reconcile(
        services, NOW - datetime.timedelta(hours=2), Terms(), Seeds.of((), second.unfinished.values())
    )

    assert first.discrepancies == second.discrepancies == []
    assert [d.kind for d in third.discrepancies] == ["event_not_processed"]
