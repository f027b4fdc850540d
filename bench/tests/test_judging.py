"""The parts of the benchmark that need no servers: statistics, goals, discarding, merging, tables, plots, estimates."""

import json
import subprocess
import sys
import time
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

if str(Path(__file__).parents[2]) not in sys.path:
    sys.path.append(str(Path(__file__).parents[2]))

from bench import goals, plan, plots, progress, results, rounds, spreads, table, usage, watching
from bench.measuring import FOREIGN_SHARE_MAX, is_noisy


def run(subject: str, label: str, number: int, **more: Any) -> dict[str, Any]:
    return {"subject": subject, "label": label, "round": number, "faults": [], "discarded": False, **more}


def throughput(ours: list[float], theirs: list[float], label: str = "16") -> list[dict[str, Any]]:
    """Rounds of Touchstone and plain nameko."""
    return [
        run(subject, label, number, audits_per_s=value)
        for subject, values in (("touchstone", ours), ("plain_nameko", theirs))
        for number, value in enumerate(values, 1)
    ]


def judged(name: str, part: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    found = goals.judged({part: {"runs": runs, "commit": "abc", "at": "now", "quick": False}})
    return next(goal for goal in found if goal["name"] == name)


def test_a_spread_has_the_median_and_both_ends() -> None:
    assert spreads.spread([3.0, 1.0, 2.0, 10.0]) == spreads.Spread(2.5, 1.0, 10.0, 4)


def test_nothing_has_no_spread() -> None:
    assert spreads.spread([]) is None


@pytest.mark.parametrize(("part", "value"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(part: float, value: float) -> None:
    assert spreads.percentile([float(n) for n in range(100, 0, -1)], part) == value


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError):
        spreads.percentile([], 0.5)


def test_ratios_are_taken_within_a_round() -> None:
    assert spreads.ratios({1: 10.0, 2: 30.0, 4: 5.0}, {1: 5.0, 2: 10.0, 3: 7.0}) == [2.0, 3.0]


def test_a_goal_is_the_median_of_the_rounds_ratios() -> None:
    goal = judged("throughput_to_plain_nameko_16", "throughput", throughput([30, 80, 50], [10, 20, 10]))

    assert (goal["median"], goal["low"], goal["high"], goal["rounds"], goal["met"]) == (4.0, 3.0, 5.0, 3, True)


def test_a_goal_just_missed_is_not_met() -> None:
    assert judged("throughput_to_plain_nameko_16", "throughput", throughput([29.9], [10]))["met"] is False


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    goal = judged("throughput_to_plain_nameko_64", "throughput", throughput([30], [10], label="16"))

    assert (goal["median"], goal["met"], goal["rounds"]) == (None, None, 0)


def test_a_failed_run_counts_for_nothing() -> None:
    runs = throughput([30, 90], [10, 10])
    runs[1]["faults"] = ["1999 of 2000"]

    assert judged("throughput_to_plain_nameko_16", "throughput", runs)["median"] == 3.0


def test_a_discarded_run_counts_for_nothing() -> None:
    runs = throughput([30, 90], [10, 10])
    runs[3]["discarded"] = True

    assert judged("throughput_to_plain_nameko_16", "throughput", runs)["rounds"] == 1


def test_a_goal_whose_rounds_were_all_discarded_says_so() -> None:
    runs = [r | {"discarded": True} for r in throughput([30], [10])]

    goal = judged("throughput_to_plain_nameko_16", "throughput", runs)

    assert (goal["met"], goal["discarded"]) == (None, 2)


def test_a_goal_to_stay_below_is_met_below() -> None:
    runs = [
        run("touchstone", "low", 1, latency_ms={"median": 9.0, "p99": 21.0}),
        run("plain_nameko", "low", 1, latency_ms={"median": 10.0, "p99": 20.0}),
    ]

    assert judged("low_load_median_to_plain_nameko", "latency", runs)["met"] is True
    assert judged("low_load_p99_to_plain_nameko", "latency", runs)["met"] is False


def test_latency_at_given_rates_is_judged_by_raw_pika_and_cpu_by_plain_nameko() -> None:
    def at(rate: int, subject: str, median: float, cpu: float) -> dict[str, Any]:
        return run(subject, str(rate), 1, latency_ms={"median": median, "p99": 90.0}, service_cpu_ms=cpu)

    runs = [at(rate, "touchstone", 28.0, 15.0) for rate in plan.RATES]
    runs += [at(rate, "raw_pika", 14.0, 7.0) for rate in plan.RATES] + [at(34, "plain_nameko", 20.0, 9.0)]

    judged_at = {rate: judged(f"median_{rate}_a_second_to_raw_pika", "latency", runs) for rate in plan.RATES}

    assert {rate: (goal["goal"], goal["median"], goal["met"]) for rate, goal in judged_at.items()} == {
        34: (1.8, 2.0, False),
        70: (2.5, 2.0, True),
        100: (3, 2.0, True),
        140: (3.5, 2.0, True),
    }
    assert judged("service_cpu_34_a_second_to_plain_nameko", "latency", runs)["median"] == 1.667


def test_each_rate_is_a_load_of_the_same_length_for_those_that_are_compared_by_it() -> None:
    (setup,) = plan.whole().comparisons["latency"].setups
    rated = {load.label: (load.rate, load.audits, load.subjects) for load in setup.loads if load.rate}

    assert rated["low"] == (20, 400, plan.SUBJECTS)
    assert {label: audits / rate for label, (rate, audits, _) in rated.items()} == dict.fromkeys(rated, 20.0)
    assert {subjects for label, (*_, subjects) in rated.items() if label != "low"} == {plan.RATED}
    assert rated.keys() == {"low", *map(str, plan.RATES)}


def test_the_table_of_latencies_has_each_rate() -> None:
    runs = [run("raw_pika", label, 1, latency_ms={"median": 1.5, "p99": 2.0}) for label in ("low", "34", "140", "half")]

    text = table.TABLES["latency"][1](runs)

    assert all(f"{rate}: median" in text for rate in (20, 34, 140))


def test_validation_is_told_as_times_faster() -> None:
    runs = [run("touchstone", "good", 1, cpu_us=100.0), run("marshmallow", "good", 1, cpu_us=800.0)]

    assert judged("validation_to_marshmallow", "validation", runs)["median"] == 8.0


def test_memory_is_compared_with_the_shortest_backlog() -> None:
    runs = [
        run("touchstone", "1000", 1, resident_mib={"assessment": 60.0}),
        run("touchstone", "1000", 2, resident_mib={"assessment": 64.0}),
        run("touchstone", "200000", 1, resident_mib={"assessment": 93.0}),
    ]

    assert judged("memory_assessment_200000_to_1000", "backlog", runs)["median"] == 1.5


def test_every_goal_has_a_name_of_its_own_and_a_part_that_is_measured() -> None:
    assert len({goal.name for goal in goals.GOALS}) == len(goals.GOALS)
    assert {goal.part for goal in goals.GOALS} <= set(plan.PARTS)


@pytest.mark.parametrize(
    ("share", "noisy"), [(None, False), (FOREIGN_SHARE_MAX, False), (FOREIGN_SHARE_MAX + 0.001, True)]
)
def test_a_run_is_noisy_when_others_used_more_than_the_rule_says(share: float | None, noisy: bool) -> None:
    assert is_noisy({"foreign_share": share}) is noisy


def shares(*rounds_shares: dict[tuple[str, str], float]) -> list[dict[str, Any]]:
    """What `in_rounds` makes of runs of which others used so much, of two rounds."""

    def measured(number: int) -> rounds.Runs:
        for (subject, label), share in rounds_shares[min(number, len(rounds_shares)) - 1].items():
            yield {"subject": subject, "label": label, "faults": [], "foreign_share": share}

    bench: Any = rounds.Bench(None, plan.quick(), {})  # type: ignore[arg-type]
    return list(rounds.in_rounds(bench, 2, measured))


def test_a_noisy_run_is_discarded_alone_and_made_up_for() -> None:
    noisy = {("touchstone", "16"): FOREIGN_SHARE_MAX * 2, ("plain_nameko", "16"): 0.0}
    quiet = dict.fromkeys(noisy, 0.0)

    runs = shares(noisy, quiet)

    assert [r["round"] for r in runs if r["discarded"]] == [1]
    assert [r["round"] for r in runs if r["subject"] == "touchstone"] == [1, 2, 3]


def test_nothing_is_made_up_for_where_nothing_was_discarded() -> None:
    assert [r["round"] for r in shares({("touchstone", "16"): 0.0})] == [1, 2]


def test_a_ratio_needs_both_of_its_runs_in_the_same_round() -> None:
    runs = throughput([30, 40], [10, 10])
    runs[0]["discarded"] = runs[3]["discarded"] = True

    assert judged("throughput_to_plain_nameko_16", "throughput", runs)["rounds"] == 0


def test_a_subject_that_breaks_off_is_a_failed_run_and_costs_no_other() -> None:
    def breaking() -> rounds.Runs:
        yield run("raw_pika", "16", 1)
        raise ConnectionError("no broker")

    found = list(rounds.attempt("raw_pika", "64", breaking()))

    assert [(r["label"], r["faults"]) for r in found] == [("16", []), ("64", ["ConnectionError: no broker"])]


def test_each_subject_comes_first_in_turn() -> None:
    firsts = [plan.rotated(plan.SUBJECTS, number)[0] for number in range(1, len(plan.SUBJECTS) + 1)]

    assert firsts == list(plan.SUBJECTS)
    assert set(plan.rotated(plan.SUBJECTS, 5)) == set(plan.SUBJECTS)


@pytest.mark.parametrize("found", [{}, {3: 9}, {3: 11}, {3: 9, 2: 1}, {3: 9, 2: 1, 4: 1}])
def test_missing_and_surplus_documents_are_wrong_also_where_the_total_is_right(found: dict[int, int]) -> None:
    assert len(watching.wrong_counts("notices", found, {3: 10})) == 1


def test_every_audit_with_all_that_it_should_have_is_right() -> None:
    assert watching.wrong_counts("notices", {3: 10}, {3: 10}) == []


def test_a_part_replaces_itself_alone_and_all_goals_are_judged_anew() -> None:
    first = results.part_of(throughput([30], [10]), quick=True, backing="docker", servers_known=True)
    other = {**first, "runs": [run("touchstone", "good", 1, cpu_us=1.0), run("marshmallow", "good", 1, cpu_us=9.0)]}
    second = {**first, "runs": throughput([20], [10])}

    kept: dict[str, Any] = {"goals": [], "parts": {}}
    for name, part in (("throughput", first), ("validation", other), ("throughput", second)):
        kept = results.merged(kept, name, part)

    medians = {goal["name"]: goal["median"] for goal in kept["goals"]}
    assert (medians["throughput_to_plain_nameko_16"], medians["validation_to_marshmallow"]) == (2.0, 9.0)


def test_results_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    part = results.part_of(throughput([30], [10]), quick=False, backing="docker", servers_known=True)
    kept = results.merged({"goals": [], "parts": {}}, "throughput", part)

    results.write(tmp_path / "results.json", kept)

    assert results.read(tmp_path / "results.json") == json.loads(json.dumps(kept))


def test_the_document_tells_failures_and_discarded_runs() -> None:
    runs = throughput([30, 20], [10, 10])
    runs[0]["faults"] = ["notices of notification: 5 instead of 6"]
    runs[1]["discarded"] = True
    part = results.part_of(runs, quick=True, backing="environment", servers_known=False)

    text = table.document(results.merged({"goals": [], "parts": {}}, "throughput", part))

    assert "FAILED, not counted" in text and "5 instead of 6" in text
    assert "1 runs were discarded" in text and "the servers' is not known" in text


def test_a_table_lines_up() -> None:
    lines = table.as_markdown(["a", "long head"], [["wide cell", "1"], ["b", "22"]]).splitlines()

    assert len({len(line) for line in lines}) == 1


def whole_results() -> dict[str, Any]:
    """Every part with one run for each thing that its table shows."""
    used = {"service_cpu_ms": 2.0, "broker_cpu_ms": 1.0, "database_cpu_ms": 1.5, "client_cpu_ms": 0.5}
    mib = {"assessment": 60.0, "certification": 61.0, "notification": 62.0, "membership": 63.0}
    latency = {"median": 10.0, "p99": 20.0}
    series = [[float(n), n * 10, mib] for n in range(1, 60)]
    found = {
        "throughput": [
            run(name, str(n), 1, audits_per_s=100.0 + n, resident_mib=mib, **used)
            for name in plan.SUBJECTS
            for n in (1, 16, 64, 256)
        ]
        + [run("touchstone", "first", 1, start_s=2.0, first_notice_s=2.1)],
        "latency": [run("touchstone", label, 1, latency_ms=latency, rate=20) for label in ("low", "34", "half")],
        "fanout": [run("touchstone", "10", 1, audits_per_s=50.0)],
        "processes": [run("touchstone", "2", 1, audits_per_s=50.0)],
        "backlog": [
            run("touchstone", "1000", 1, audits=1000, audits_per_s=50.0, resident_mib=mib, series=series, **used)
        ],
        "rpc": [run("pika", "sequential", 1, calls_per_s=700.0, client_cpu_ms=0.3)],
        "delivery": [run("touchstone", "delivery", 1, notices=30, notices_per_s=40.0, ready_s=3.0)],
        "validation": [run("touchstone", "good", 1, cpu_us=90.0), run("marshmallow", "good", 1, cpu_us=900.0)],
    }
    kept: dict[str, Any] = {"goals": [], "parts": {}}
    for name, runs in found.items():
        part = results.part_of(runs, quick=False, backing="docker", servers_known=True)
        kept = results.merged(kept, name, part)
    return kept


def test_every_part_has_a_table() -> None:
    text = table.document(whole_results())

    assert set(table.TABLES) == set(plan.PARTS)
    assert all(f"## {title}" in text for title, _ in table.TABLES.values())


def test_every_plot_is_drawn_and_is_xml(tmp_path: Path) -> None:
    written = plots.write(tmp_path, whole_results())

    names = {path.stem for path in written}
    assert names == {"throughput", "cpu", "latency", "latency-rates", "growth-throughput", "growth-memory"}
    assert all(ElementTree.parse(path).getroot().tag.endswith("svg") for path in written)


def test_nothing_measured_is_drawn_as_nothing(tmp_path: Path) -> None:
    assert plots.write(tmp_path, {"goals": [], "parts": {}}) == []


def test_what_counts_for_nothing_is_not_drawn(tmp_path: Path) -> None:
    kept = whole_results()
    for part in kept["parts"].values():
        part["runs"] = [r | {"discarded": True} for r in part["runs"]]

    assert plots.write(tmp_path, kept) == []


def test_the_same_results_are_drawn_as_the_same_files(tmp_path: Path) -> None:
    drawn = [[path.read_bytes() for path in plots.write(tmp_path, whole_results())] for _ in range(2)]

    assert drawn[0] == drawn[1]


def test_a_failed_run_is_told_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    progress.failed(run("celery_tasks", "64", 1) | {"faults": ["2 audits are missing"]})

    assert "FAILED, NOT COUNTED: celery_tasks 64: 2 audits are missing" in capsys.readouterr().err


def test_a_run_is_told_with_the_figures_that_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    progress.done(run("touchstone", "half", 1, latency_ms={"median": 9.96, "p99": 20.0}, foreign_share=None))

    assert capsys.readouterr().err.split("half")[1].strip() == "10.0 ms, 99 %: 20.0 ms"


def test_idle_time_and_interrupts_are_nobodys_but_stolen_time_is() -> None:
    times = types.SimpleNamespace(
        user=1.0, nice=2.0, system=3.0, idle=99.0, iowait=99.0, irq=9.0, softirq=9.0, steal=4.0
    )

    assert usage.busy_s(times) == 10.0


def test_a_process_counts_with_its_children() -> None:
    spin = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))']); input()"
    with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE) as process:
        meter, until = usage.Meter({"service": [process.pid]}), time.monotonic() + 60
        while not meter.used(1)["service_cpu_ms"]:
            assert time.monotonic() < until
        process.communicate(b"\n")

    assert usage.resident_mib({"gone": process.pid}) == {}


def test_the_share_of_others_leaves_out_our_groups() -> None:
    before = {"service": 1.0, "own": 0.0, "elapsed": 100.0, "machine": 7.0}
    after = {"service": 3.0, "own": 1.0, "elapsed": 110.0, "machine": 7.0 + usage.CORES * 5.0 + 3.0}

    assert usage.spent(before, after) == ({"service": 2.0, "own": 1.0}, 0.5)


def test_the_quick_plan_measures_what_the_throughput_goals_need() -> None:
    quick = plan.quick()

    (setup,) = quick.comparisons["throughput"].setups
    assert {load.label for load in setup.loads} >= {"16", "64"}


def test_the_whole_plan_measures_all_that_was_asked_for() -> None:
    whole = plan.whole()

    (throughput,) = whole.comparisons["throughput"].setups
    assert [load.submitters for load in throughput.loads] == [1, 16, 64, 256]
    assert [setup.contacts for setup in whole.comparisons["fanout"].setups] == [1, 10, 100]
    assert [setup.processes for setup in whole.comparisons["processes"].setups] == [1, 2]
    assert {*whole.backlogs, *whole.backlogs_once} == {1_000, 10_000, 50_000, 200_000}
    assert (whole.rounds, throughput.loads[1].audits) == (7, 2000)


class Collection:
    """Counts as a collection does: the quick count has uncommitted documents, too."""

    def __init__(self, quick: list[int], committed: list[int]) -> None:
        self._quick, self._committed = iter(quick), iter(committed)

    def estimated_document_count(self) -> int:
        return next(self._quick)

    def count_documents(self, _filter: dict[str, Any]) -> int:
        return next(self._committed)


def test_a_run_ends_with_the_last_committed_notice() -> None:
    seen: list[int] = []
    collection = Collection(quick=[3, 6, 6], committed=[5, 6])

    watching.wait_for_count(collection, 6, poll_s=0, each_time=seen.append)

    assert seen == [3, 5, 6]
