"""Every kind of discrepancy is seen where it is, and none where the ledgers agree."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.reconciliation.comparison import compare
from touchstone.reconciliation.ledger import Committed, Discrepancy, Snapshot, Waiting, discrepancy_id

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
ACCEPTED, ISSUED = "assessment.audit_accepted.v1", "certification.certificate_issued.v1"
SUBMITTED = "assessment.audit_report_submitted.v1"


def ago(seconds: float) -> datetime.datetime:
    return NOW - datetime.timedelta(seconds=seconds)


def an_event(id: str, type: str, subject: str, sequence: int = 1, *, seconds: float = 600) -> Committed:
    return Committed(id, type, subject, sequence, ago(seconds), ago(seconds))


def a_state(consumes: tuple[str, ...] = (), in_full: tuple[tuple[str, ...], ...] = ()) -> dict[str, Any]:
    return {"consumes": list(consumes), "announced_in_full": in_full, "overdue": []}


def a_case(**changes: Any) -> dict[str, Any]:
    case = {"audit_id": "aud", "state": "decided", "outcome": "full", "number": 7, "certificates": [7]}
    return case | {"announced": ["e-2"], "lacks_expiry": []} | changes


def an_announcement(**changes: Any) -> dict[str, Any]:
    notice = {"notice_id": "n-1", "contact_id": "rosa", "party": "member:alba", "effective": True}
    found = {"event": "e-2", "audit_id": "aud", "announced": True, "parties": ["member:alba", "body:dnv"]}
    return found | {"nobody": ["body:dnv"], "notices": [notice], "repeats": [], "lacks_sending": []} | changes


def a_snapshot() -> Snapshot:
    """An audit was submitted, accepted, decided, and told: nothing differs."""
    events = [
        an_event("e-0", SUBMITTED, "aud", 1, seconds=700),
        an_event("e-1", ACCEPTED, "aud", 2),
        an_event("e-2", ISSUED, "certificate-7", 1, seconds=590),
    ]
    return Snapshot(
        now=NOW,
        states={
            "membership": a_state(),
            "assessment": a_state(in_full=((SUBMITTED, ACCEPTED),)),
            "certification": a_state((ACCEPTED,)),
            "notification": a_state((ISSUED,)),
        },
        committed={event.id: event for event in events},
        waiting={"certification": Waiting(asked={"e-1"}), "notification": Waiting(asked={"e-2"})},
        audits={"aud": {"audit_id": "aud", "state": "accepted", "accepted_at": ago(600)}},
        cases={"aud": a_case()},
        announcements={"e-2": an_announcement()},
    )


def lose(snapshot: Snapshot, **waiting: Any) -> None:
    """Let certification know nothing of the accepted audit."""
    snapshot.waiting["certification"] = Waiting(states={"e-1": "missing"}, asked={"e-1"}, **waiting)
    snapshot.cases["aud"] = a_case(state=None, outcome=None, number=None, certificates=[], announced=[])


def with_case(**changes: Any) -> Callable[[Snapshot], None]:
    return lambda snapshot: snapshot.cases.update(aud=a_case(**changes))


def with_announcement(**changes: Any) -> Callable[[Snapshot], None]:
    return lambda snapshot: snapshot.announcements.update({"e-2": an_announcement(**changes)})


def lose_queue(snapshot: Snapshot) -> None:
    lose(snapshot, queues={ACCEPTED: None})


def be_overtaken(snapshot: Snapshot) -> None:
    lose(snapshot, queues={ACCEPTED: 5})
    snapshot.committed["e-9"] = an_event("e-9", ACCEPTED, "later", 1, seconds=100)
    snapshot.waiting["certification"].asked.add("e-9")
    snapshot.cases["later"] = a_case(audit_id="later")
    snapshot.audits["later"] = {"audit_id": "later", "state": "accepted", "accepted_at": ago(100)}


def announce_later_version(snapshot: Snapshot) -> None:
    snapshot.committed["e-5"] = an_event("e-5", SUBMITTED, "aud", 5, seconds=1)


def announce_twice(snapshot: Snapshot) -> None:
    snapshot.committed["e-8"] = an_event("e-8", ACCEPTED, "aud", 2)
    snapshot.waiting["certification"].asked.add("e-8")


def wait_for_broker(snapshot: Snapshot) -> None:
    snapshot.states["assessment"]["overdue"] = [{"id": "e-7", "type": ACCEPTED, "recorded_at": str(ago(900))}]


NOTICE = {"notice_id": "n-1", "contact_id": "rosa", "party": "member:alba", "effective": True}
FORGED = {"id": "d-1", "event_id": "e-5", "event_type": ACCEPTED, "reason": "forged"}
FALSIFIED: list[tuple[str, str, Callable[[Snapshot], Any]]] = [
    ("event_not_processed", "certification", lose),
    ("event_not_processed", "certification", be_overtaken),
    ("queue_missing", "certification", lose_queue),
    ("event_unknown_upstream", "certification", lambda k: k.unknown.update(certification=[("e-3", ACCEPTED)])),
    ("event_forged", "certification", lambda k: k.states["certification"].update(not_signed=[FORGED])),
    ("event_not_published", "assessment", wait_for_broker),
    ("sequence_gap", "assessment", announce_later_version),
    ("version_announced_twice", "assessment", announce_twice),
    ("audit_without_case", "certification", with_case(state=None, outcome=None, number=None, certificates=[])),
    ("case_without_audit", "certification", lambda k: k.audits.clear()),
    ("case_without_audit", "certification", lambda k: k.audits["aud"].update(accepted_at=None)),
    ("case_without_decision", "certification", with_case(outcome=None)),
    ("decision_without_certificate", "certification", with_case(certificates=[])),
    ("certificates_doubled", "certification", with_case(certificates=[7, 8])),
    ("certificate_without_case", "certification", with_case(state=None, outcome=None, number=None)),
    ("certificate_without_decision", "certification", with_case(outcome="refused", number=None)),
    ("decision_announced_twice", "certification", with_case(announced=["e-2", "e-4"])),
    ("decision_not_announced", "certification", with_case(announced=[])),
    ("deadline_missing", "certification", with_case(lacks_expiry=["certificate-7"])),
    ("deadline_missing", "certification", with_case(state="held", outcome=None, number=None, lacks_plan_due=True)),
    ("event_without_announcement", "notification", lambda k: k.announcements.clear()),
    ("party_not_told", "notification", with_announcement(nobody=[])),
    ("party_not_told", "notification", with_announcement(notices=[])),
    ("notices_doubled", "notification", with_announcement(notices=[NOTICE, NOTICE | {"notice_id": "n-2"}])),
    ("notices_doubled", "notification", with_announcement(repeats=[{"notice_id": "n-2", "contact_id": "rosa"}])),
    ("deadline_missing", "notification", with_announcement(lacks_sending=["n-1"])),
]


def found(snapshot: Snapshot) -> list[Discrepancy]:
    return list(compare(snapshot).found.values())


def test_where_all_ledgers_agree_nothing_differs() -> None:
    assert found(a_snapshot()) == []
    assert compare(a_snapshot()).undecided == set()


@pytest.mark.parametrize(("kind", "service", "falsify"), FALSIFIED, ids=lambda v: v if isinstance(v, str) else "")
def test_each_kind_of_discrepancy_is_seen_and_told_to_whom_it_concerns(
    kind: str, service: str, falsify: Callable[[Snapshot], Any]
) -> None:
    snapshot = a_snapshot()

    falsify(snapshot)

    discrepancies = [d for d in found(snapshot) if d.kind == kind]
    assert [d.service for d in discrepancies] == [service]
    assert len(discrepancies[0].sentence) > 30 and "{" not in discrepancies[0].sentence


def test_only_what_is_safe_can_be_mended() -> None:
    mendable = set()
    for kind, _, falsify in FALSIFIED:
        snapshot = a_snapshot()
        falsify(snapshot)
        mendable |= {d.kind for d in found(snapshot) if d.kind == kind and d.mend}

    assert mendable == {"event_not_processed", "deadline_missing"}


def test_nothing_is_published_again_while_there_is_no_queue_for_it() -> None:
    snapshot = a_snapshot()

    lose_queue(snapshot)

    assert {d.kind: d.mend for d in found(snapshot)} == {"event_not_processed": None, "queue_missing": None}


@pytest.mark.parametrize(
    ("queues", "retrying", "seconds", "expected"),
    [
        ({ACCEPTED: 0}, 0, 600, True),
        ({ACCEPTED: 3}, 0, 600, False),
        ({ACCEPTED: 0}, 1, 600, False),
        ({ACCEPTED: 0}, 1, 3600, True),
    ],
    ids=["nowhere", "in its queue", "perhaps waiting for a retry", "older than all retries"],
)
def test_what_may_still_be_under_way_is_not_called_missing(
    queues: dict[str, int | None], retrying: int, seconds: float, expected: bool
) -> None:
    snapshot = a_snapshot()
    lose(snapshot, queues=queues, retrying=retrying)
    snapshot.committed["e-1"] = an_event("e-1", ACCEPTED, "aud", 2, seconds=seconds)

    findings = compare(snapshot)

    assert bool(findings.found) is expected
    assert ("e-1" in findings.undecided) is not expected


@pytest.mark.parametrize(
    ("restored_at", "said"),
    [
        (
            "2026-11-21T08:00:00+00:00",
            "was put back to an older state at 2026-11-21T08:00:00: if this happened before, ",
        ),
        (None, "No restore of its database is noted: if it was put back without a note, "),
    ],
)
def test_what_a_producer_does_not_know_is_called_forged_where_it_forgot_nothing(restored_at: Any, said: str) -> None:
    snapshot = a_snapshot()
    snapshot.states["assessment"]["restored_at"] = restored_at
    snapshot.audits.clear()
    snapshot.unknown["certification"] = [("e-9", ACCEPTED)]

    sentences = {d.kind: d.sentence for d in found(snapshot)}

    forged = "; if not, it is forged, published by somebody else in its name: see the runbook first."
    case, event = sentences["case_without_audit"], sentences["event_unknown_upstream"]
    assert case.endswith(f"{said}have the report submitted and accepted again{forged}")
    assert event.endswith(f"{said}enter again what it lost, or take it back downstream{forged}")


@pytest.mark.parametrize(("state", "is_decided"), [("parked", False), ("replaying", False), ("discarded", True)])
def test_what_an_operator_has_in_hand_is_not_missing(state: str, is_decided: bool) -> None:
    snapshot = a_snapshot()
    lose(snapshot)

    snapshot.waiting["certification"].states["e-1"] = state

    assert found(snapshot) == []
    assert compare(snapshot).leaves_open({"audit": "aud"}) is not is_decided
    assert ("e-1" in compare(snapshot).unfinished) is not is_decided


def test_an_event_that_notification_discarded_is_not_taken_for_lost_documents() -> None:
    snapshot = a_snapshot()
    snapshot.announcements.clear()

    snapshot.waiting["notification"].states["e-2"] = "discarded"

    assert found(snapshot) == [] and compare(snapshot).undecided == set()


@pytest.mark.parametrize(
    ("other", "edited"), [("replaying", False), ("discarded", False), ("parked", True), ("missing", True)]
)
def test_what_one_consumer_must_not_get_as_it_was_is_not_published_again_for_another(other: str, edited: bool) -> None:
    snapshot = a_snapshot()
    lose(snapshot)
    snapshot.states["notification"]["consumes"].append(ACCEPTED)

    snapshot.waiting["notification"] = Waiting(
        asked={"e-1", "e-2"}, states={"e-1": other}, edited={"e-1"} if edited else set()
    )

    of_it = [d for d in found(snapshot) if d.kind == "event_not_processed"]
    assert "certification" in {d.service for d in of_it}
    assert all(d.mend is None and "Nobody publishes it again" in d.sentence for d in of_it)


def test_nothing_can_be_said_of_an_event_before_it_was_asked_for() -> None:
    snapshot = a_snapshot()
    about = {"event": "e-1", "type": ACCEPTED, "producer": "assessment", "subject": "aud"}
    snapshot.waiting["certification"].asked.clear()

    findings = compare(snapshot)

    assert findings.found == {}
    assert findings.leaves_open(about) and findings.leaves_open({"audit": "aud"})
    assert not findings.leaves_open({"event": "e-2"})


def test_a_case_that_waits_needs_neither_decision_nor_certificate() -> None:
    snapshot = a_snapshot()

    with_case(state="held", outcome=None, number=None, certificates=[], announced=[])(snapshot)

    assert found(snapshot) == []


def test_an_audit_without_announcement_for_long_is_not_called_unannounced() -> None:
    """Outboxes forget after sixty days."""
    snapshot = a_snapshot()
    with_case(announced=[])(snapshot)
    snapshot.committed["e-1"] = an_event("e-1", ACCEPTED, "aud", 2, seconds=56 * 86400)

    assert found(snapshot) == []


def test_a_later_version_of_an_event_type_is_the_same_event() -> None:
    snapshot = a_snapshot()
    snapshot.committed["e-1"] = an_event("e-1", "assessment.audit_accepted.v2", "aud", 2)
    snapshot.states["certification"]["consumes"] = ["assessment.audit_accepted.v1", "assessment.audit_accepted.v2"]
    with_case(state=None, outcome=None, number=None, certificates=[])(snapshot)

    assert [d.kind for d in found(snapshot)] == ["audit_without_case"]


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), min_size=1))
def test_a_discrepancy_has_one_id_whatever_the_order_of_what_it_is_about(about: dict[str, str]) -> None:
    backwards = dict(reversed(about.items()))

    assert discrepancy_id("s", "k", about) == discrepancy_id("s", "k", backwards)
    assert discrepancy_id("s", "k", about) != discrepancy_id("s", "l", about)


@given(st.sets(st.integers(1, 30), min_size=1), st.randoms())
def test_every_gap_between_announced_versions_is_seen_in_whatever_order_they_come(
    sequences: set[int], chance: Any
) -> None:
    snapshot = a_snapshot()
    shuffled = sorted(sequences)
    chance.shuffle(shuffled)
    snapshot.committed |= {f"s-{n}": an_event(f"s-{n}", SUBMITTED, "other", n) for n in shuffled}

    gaps = {int(d.about["after"]) for d in found(snapshot) if d.kind == "sequence_gap"}

    assert gaps == {n for n in sequences if n + 1 not in sequences and n != max(sequences)}


def test_the_versions_that_a_restore_leaves_out_are_no_gap() -> None:
    snapshot = a_snapshot()
    for number in (1, 2, 1_000_003, 1_000_005):
        snapshot.committed[f"r-{number}"] = an_event(f"r-{number}", SUBMITTED, "restored", number)

    gaps = {int(d.about["after"]) for d in found(snapshot) if d.kind == "sequence_gap"}

    assert gaps == {1_000_003}
