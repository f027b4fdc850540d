"""What the harness makes of a run: targets that were missed, the table, and the page that it writes."""

import dataclasses
import random
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from harness import cases, document, plot, soak, table
from harness.infrastructure import ALL as INFRASTRUCTURE
from harness.infrastructure import BACKLOG, FAULTS, MOMENTS, UNDER_LOAD
from harness.outcome import Outcome, missed
from harness.repeats import repeated_in
from harness.results import Result, Results

GOOD = Result("broker/kill/load", 7, "c0ffee", "2026-11-22T16:00:00+00:00", 0, True, 60, kind="infrastructure")
LOST = dataclasses.replace(GOOD, case="broker/term/load", lost=1, faults=["lost: one decision"])
SLOW = dataclasses.replace(GOOD, case="broker/stop/load", recovery_s=6.0, missed=["recovery took 6.0 s"])
FIRST_TRY = dataclasses.replace(GOOD, at="2026-11-21T16:00:00+00:00", parked=3, faults=["parked: 3 messages"])


@pytest.mark.parametrize(
    ("recovery_s", "repeated", "sentences"),
    [
        (5.0, 0, []),
        (5.1, 0, ["a fault: recovery took 5.1 s, at most 5 s were to be reached"]),
        (None, 0, ["a fault: no new work was seen, at most 5 s were to be reached"]),
        (1.0, 2, ["2 messages came again that a drained handler had carried out"]),
    ],
)
def test_a_target_that_was_missed_is_named(recovery_s: float | None, repeated: int, sentences: list[str]) -> None:
    outcome = Outcome(reached=True, strikes=[("a fault", 10.0)], recovery_s_max=5.0)

    assert missed(outcome, [("a fault", recovery_s)], repeated) == sentences


def test_a_silence_that_follows_a_first_sign_of_life_counts() -> None:
    def notice(made_s: int) -> dict[str, str]:
        return {"type": "notification.notice_sent.v1", "time": f"1970-01-01T00:00:{made_s:02}+00:00"}

    arrivals = [(9.0, notice(9)), (10.5, notice(9)), (11.0, notice(11)), (31.0, notice(31)), (59.0, notice(59))]

    def recoveries(**more: float) -> list[tuple[str, float | None]]:
        return Outcome(reached=True, strikes=[("a fault", 10.0)], **more).recoveries_s(arrivals)

    assert recoveries() == [("a fault", 1.0)]
    assert recoveries(worked_until=30.0) == [("a fault", 20.0)]
    assert recoveries(worked_until=32.0) == [("a fault", 28.0)]
    assert recoveries(worked_until=10.6) == [("a fault", 1.0)]


def test_without_a_target_none_is_missed() -> None:
    assert missed(Outcome(reached=True, strikes=[("a fault", None)]), [("a fault", None)], 0) == []


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
        f.name for f in FAULTS if f.servers != "cluster" and not f.provisions and UNDER_LOAD not in f.not_in
    }
    assert sum(isinstance(f, cases.Case) for f in with_servers) > 100


def test_the_tally_counts_faults_and_missed_targets() -> None:
    said = table.tally([GOOD, LOST, SLOW])

    assert said.startswith(
        "3 cases with 180 audits: lost 1, doubled 0, parked 0; 1 with faults, 1 that missed a target"
    )


def test_the_page_gets_the_newest_result_of_each_case_and_keeps_what_stands_around(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")

    document.write([FIRST_TRY, GOOD, LOST, SLOW], page)

    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| broker/kill/load | 60 | 0 | 0 | 0 |  |  | 7 | 2026-11-22 |" in text
    assert "| broker/term/load | 60 | 1 | 0 | 0 |" in text and "- broker/term/load: lost: one decision" in text
    assert "| 6.0 s! |" in text and "- broker/stop/load: recovery took 6.0 s" in text
    assert "parked: 3 messages" not in text


def test_a_recovery_over_its_target_stands_out_in_the_picture() -> None:
    in_time = dataclasses.replace(GOOD, recovery_s=4.0)

    picture = plot.drawn([in_time, SLOW, LOST])

    tree = ElementTree.fromstring(picture)
    texts = {text.text: text.get("class") for text in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert texts["4.0 s"] is None and texts["6.0 s"] == "slow"
    assert "broker/term" not in texts and plot.drawn([LOST]) == ""


def test_a_page_without_a_place_for_the_results_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks")

    with pytest.raises(ValueError, match="no place"):
        document.write([GOOD], page)


def test_results_of_another_file_are_added_once(tmp_path: Path) -> None:
    here, there = Results(tmp_path / "here.json"), Results(tmp_path / "there.json")
    here.add(GOOD)
    there.add(LOST, GOOD)

    for _ in range(2):
        here.add(*there.all)

    assert Results(tmp_path / "here.json").all == [GOOD, LOST]
