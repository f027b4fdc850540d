"""What the harness makes of a run: targets that were missed, the table, and the page that it writes."""

import dataclasses
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from harness import cases, document, plot, soak, table, targets
from harness.infrastructure import ALL as INFRASTRUCTURE
from harness.infrastructure import BACKLOG, FAULTS, MOMENTS, UNDER_LOAD
from harness.outcome import Outcome, Strike
from harness.repeats import repeated_in
from harness.results import FIRST_NOTICE, LONGEST_SILENCE, Result, Results

GOOD = Result(
    "broker/kill/load", 7, "c0ffee", "2026-11-22T16:00:00+00:00", 0, True, 60, recovery_s=1.0, kind="infrastructure"
)
LOST = dataclasses.replace(GOOD, case="broker/term/load", lost=1, faults=["lost: one decision"])
SLOW = dataclasses.replace(GOOD, case="broker/stop/load", recovery_s=6.0, missed=["recovery took 6.0 s"])
FIRST_TRY = dataclasses.replace(GOOD, at="2026-11-21T16:00:00+00:00", parked=3, faults=["parked: 3 messages"])


def notice(made_s: int) -> dict[str, str]:
    return {"type": "notification.notice_sent.v1", "time": f"1970-01-01T00:{made_s // 60:02}:{made_s % 60:02}+00:00"}


@pytest.mark.parametrize(
    ("changed", "sentences"),
    [
        ({"recovery_s": 5.0}, []),
        ({"recovery_s": 5.1}, ["broker/kill: recovery took 5.1 s, at most 5 s were to be reached"]),
        ({"recovery_s": None}, ["broker/kill: no new work was seen, at most 5 s were to be reached"]),
        ({"recovery_s": None, "reached": False}, []),
        ({"case": "broker/kill/deploy", "recovery_s": 5.1}, []),
        ({"case": "mail/kill/load", "recovery_s": 99.0}, []),
        (
            {"case": "nothing/deploy", "recovery_s": 99.0, "repeated": 2},
            ["2 messages came again that a drained handler had carried out"],
        ),
        ({"case": "broker/kill/load", "recovery_s": 1.0, "repeated": 2}, []),
        (
            {"case": "membership/domain/kill", "kind": "crash", "recovery_s": 7.1},
            ["membership/domain/kill: recovery took 7.1 s, at most 7 s were to be reached"],
        ),
        ({"case": "membership/domain/term", "kind": "crash", "recovery_s": 99.0}, []),
    ],
)
def test_a_target_that_was_missed_is_named(changed: dict[str, Any], sentences: list[str]) -> None:
    assert targets.missed(dataclasses.replace(GOOD, **changed)) == sentences


def test_each_fault_of_a_soak_is_judged_by_its_own_target() -> None:
    recoveries = [
        ("broker/kill", 5.1),
        ("database/primary-killed", 14.9),
        ("membership/domain/kill", None),
        ("mail/kill", 99.0),
    ]
    soaked = dataclasses.replace(GOOD, case="soak", kind="soak", recoveries=recoveries, measure=LONGEST_SILENCE)

    assert targets.missed(soaked) == [
        "broker/kill: recovery took 5.1 s, at most 5 s were to be reached",
        "membership/domain/kill: no new work was seen, at most 7 s were to be reached",
    ]
    assert targets.missed(dataclasses.replace(soaked, measure=FIRST_NOTICE)) == []


@pytest.mark.parametrize(
    ("changed", "cell"),
    [
        ({}, "5 s"),
        ({"case": "broker/kill/deploy"}, "not judged"),
        ({"case": "mail/kill/deploy"}, ""),
        ({"case": "nothing/deploy"}, "none again"),
        ({"recovery_s": 0.0, "measure": FIRST_NOTICE}, "not judged"),
        ({"recovery_s": 0.0, "measure": LONGEST_SILENCE}, "5 s"),
        ({"case": "soak", "kind": "soak", "measure": FIRST_NOTICE}, "not judged"),
        ({"case": "soak", "kind": "soak", "measure": LONGEST_SILENCE}, "of each fault"),
    ],
)
def test_the_table_says_what_was_to_be_reached_and_where_that_is_not_judged(changed: dict[str, Any], cell: str) -> None:
    assert table.row(dataclasses.replace(GOOD, **changed))[-1] == cell


def test_a_silence_that_follows_a_first_sign_of_life_counts() -> None:
    arrivals = [(9.0, notice(9)), (10.5, notice(9)), (11.0, notice(11)), (31.0, notice(31)), (59.0, notice(59))]

    def recovery(**more: float) -> float | None:
        return Strike("a fault", 10.0, **more).recovery_s(arrivals)

    assert recovery() == 1.0
    assert recovery(worked_until=30.0) == 20.0
    assert recovery(worked_until=32.0) == 28.0
    assert recovery(worked_until=10.6) == 1.0


def test_the_first_silence_counts_though_the_calls_ended_before_the_fault_did() -> None:
    arrivals = [(900.0, notice(900)), (1100.0, notice(1100)), (1200.0, notice(1200))]

    assert Strike("a fault", 1000.0, worked_until=990.0).recovery_s(arrivals) == 100.0
    assert Strike("a fault", 1300.0, worked_until=990.0).recovery_s(arrivals) is None


def test_a_silence_in_a_soak_counts_up_to_the_next_fault() -> None:
    arrivals = [(12.0, notice(12)), (18.0, notice(18)), (50.0, notice(50))]

    def recovery(next_at: float) -> float | None:
        return Strike("a fault", 10.0, worked_until=99.0, next_at=next_at).recovery_s(arrivals)

    assert recovery(20.0) == 6.0
    assert recovery(40.0) == 22.0
    assert recovery(11.0) == 2.0


def test_what_never_struck_has_no_recovery_in_the_list() -> None:
    outcome = Outcome(reached=False, strikes=[Strike("a fault", None), Strike("another", 10.0)])

    assert outcome.recoveries_s([(12.0, notice(12))]) == [("another", 2.0)]


def test_a_soak_says_how_many_of_its_faults_struck() -> None:
    soaked = dataclasses.replace(GOOD, case="soak", kind="soak", recoveries=[("mail/kill", 1.0)], to_strike=2)

    assert table.row(dataclasses.replace(soaked, measure=LONGEST_SILENCE))[0] == "soak (1 of 2 faults struck)"
    assert table.row(dataclasses.replace(soaked, measure=FIRST_NOTICE, to_strike=None))[0] == "soak"


def test_the_strikes_of_a_soak_end_where_the_next_begins_but_for_crash_points() -> None:
    lasting, point = Strike("broker/kill", 2.0, worked_until=float("inf")), Strike("membership/domain/kill", 5.0)

    first, second, third = soak.bounded([(1.0, lasting), (4.0, point), (7.0, lasting)], worked_until=9.0)

    assert (first.worked_until, first.next_at) == (9.0, 4.0)
    assert second == point
    assert (third.worked_until, third.next_at) == (9.0, None)


def test_repeats_are_read_off_what_a_service_exposes() -> None:
    exposition = """# TYPE touchstone_messages_handled_total counter
touchstone_messages_handled_total{outcome="handled",queue="q",service="s"} 40.0
touchstone_messages_handled_total{outcome="repeated",queue="q",service="s"} 2.0
touchstone_messages_handled_total{outcome="repeated",queue="r",service="s"} 1.0
"""

    assert repeated_in(exposition) == 3
    assert repeated_in("") == 0


def test_every_fault_strikes_in_every_moment_but_where_it_says_why_not() -> None:
    there = {(case.fault.name, case.moment) for case in INFRASTRUCTURE}
    excused = {(fault.name, moment) for fault in FAULTS for moment in fault.not_in}

    assert there.isdisjoint(excused)
    assert there | excused == {(fault.name, moment) for fault in FAULTS for moment in MOMENTS}
    assert ("consumer/membership-killed", BACKLOG) in excused


def test_a_soak_draws_from_what_its_servers_allow_and_draws_the_same_again() -> None:
    none = SimpleNamespace()
    own = SimpleNamespace(
        broker=SimpleNamespace(nodes=[1]), mongo=SimpleNamespace(members=[1, 2, 3]), kind="controlled"
    )
    without, with_servers = (soak.schedule(random.Random(7), 400, backing) for backing in (none, own))

    assert soak.schedule(random.Random(7), 400, own) == with_servers
    assert {f.name.partition("/")[0] for f in without if not isinstance(f, cases.Case)} == {"mail", "consumer"}
    assert {f.name for f in with_servers if not isinstance(f, cases.Case)} == {
        f.name
        for f in FAULTS
        if f.servers in ("any", "one", "replicas") and not (f.provisions or f.forges) and UNDER_LOAD not in f.not_in
    }
    assert sum(isinstance(f, cases.Case) for f in with_servers) > 100


def test_the_tally_counts_faults_and_missed_targets() -> None:
    said = table.tally([GOOD, LOST, SLOW])

    assert said.startswith(
        "3 cases with 180 audits: lost 1, doubled 0, parked 0; 1 with faults, 1 that missed a target (0 not judged)"
    )


def test_the_page_gets_the_newest_result_of_each_case_and_keeps_what_stands_around(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{document.BEGIN}\nwhat stood here\n{document.END}\nafter\n")

    document.write([FIRST_TRY, GOOD, LOST, SLOW], {}, page)

    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "what stood here" not in text
    assert "| broker/kill | 1 | 60 | 0 | 0 | 0 |  | 1.0 s | 5 s |" in text
    assert "| broker/term | 1 | 60 | 1 | 0 | 0 |" in text and "- broker/term/load: lost: one decision" in text
    assert "| 6.0 s! |" in text and "- broker/stop/load: broker/stop: recovery took 6.0 s" in text
    assert "parked: 3 messages" not in text
    assert document.filled(text, [GOOD, LOST, SLOW]) == text


def test_a_row_sums_up_all_cases_of_a_fault_and_tells_the_longest_recovery_that_is_judged() -> None:
    in_a_deploy = dataclasses.replace(GOOD, case="broker/kill/deploy", recovery_s=9.0, stall_s=20.0)
    unstruck = dataclasses.replace(GOOD, case="broker/kill/rest", recovery_s=None, reached=False)
    points = [
        dataclasses.replace(GOOD, case=f"{service}/domain/kill", kind="crash", recovery_s=seconds)
        for service, seconds in (("membership", 7.5), ("certification", 2.0))
    ]

    text = document.rendered([GOOD, in_a_deploy, unstruck, *map(targets.judged_again, points)], {})

    assert "| broker/kill | 3 | 180 | 0 | 0 | 0 | 20.0 s | 1.0 s | 5 s |" in text
    assert "| domain/kill | 2 | 120 | 0 | 0 | 0 |  | 7.5 s! | 7 s |" in text
    assert "- broker/kill/rest: the fault did not strike" in text
    assert "- membership/domain/kill: recovery took 7.5 s" in text


def test_the_page_says_above_its_tables_what_was_not_reached() -> None:
    slower = dataclasses.replace(SLOW, case="broker/stop/backlog", recovery_s=8.0, commit="decade", measure=2)
    killed = dataclasses.replace(GOOD, case="membership/domain/kill", kind="crash", recovery_s=7.5)

    drained = targets.judged_again(dataclasses.replace(GOOD, case="nothing/deploy", repeated=2))

    said = document.overview([GOOD, slower], [SLOW, killed])

    assert "- broker/stop: 2 of 2 took more than 5 s: 6.0 s, 8.0 s" in said and "- broker/kill" not in said
    assert "- crash points, `kill`: 1 of 1 took more than 7 s: 7.5 s" in said
    assert "2 results (2 of infrastructure) count" in said
    assert "2 results (1 of infrastructure, 1 of crash points) are older" in said and "all cases of c0ffee." in said
    assert "- nothing/deploy: 2 messages came again that" in document.overview([drained], [])
    assert document.overview([GOOD], []).startswith("No target was missed.\n\n1 results (1 of infrastructure) count: ")


def test_a_recovery_over_its_target_stands_out_in_the_picture() -> None:
    in_time = dataclasses.replace(GOOD, recovery_s=4.0)
    slow_in_a_deploy = dataclasses.replace(GOOD, case="broker/memory-alarm/deploy", recovery_s=7.0)
    unmeasured = dataclasses.replace(LOST, recovery_s=0.0)

    picture = plot.drawn([in_time, SLOW, slow_in_a_deploy, unmeasured])

    tree = ElementTree.fromstring(picture)
    texts = {text.text: text.get("class") for text in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert texts["4.0 s"] is None and texts["7.0 s"] is None and texts["6.0 s"] == "slow"
    assert "broker/term" not in texts and plot.drawn([unmeasured]) == ""


def test_a_page_without_a_place_for_the_results_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks")

    with pytest.raises(ValueError, match="no place"):
        document.write([GOOD], {}, page)


def test_results_of_another_file_are_added_once(tmp_path: Path) -> None:
    here, there = Results(tmp_path / "here.json"), Results(tmp_path / "there.json")
    here.add(GOOD)
    there.add(LOST, GOOD)

    for _ in range(2):
        here.add(*there.all)

    assert Results(tmp_path / "here.json").all == [GOOD, LOST]
