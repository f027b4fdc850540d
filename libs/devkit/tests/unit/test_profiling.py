"""From what processes recorded to the steps of one audit, whatever is missing, repeated or done for many at once."""

import dataclasses
import itertools
import json
import subprocess
from typing import Any

import pytest

from touchstone_devkit.profiling import moments, sampling
from touchstone_devkit.profiling.assembling import IN_BROKER, TRIED, Assembly, Load, Sent, Step, Trace
from touchstone_devkit.profiling.bars import flames
from touchstone_devkit.profiling.moments import Moment, Recorded
from touchstone_devkit.profiling.page import Profile, page
from touchstone_devkit.profiling.sampling import origin, own_by_origin, tree
from touchstone_devkit.profiling.summing import at_quantile, quantile, sum_up

MS = 1_000_000
SENT = Sent("k-1", 0, 60 * MS)
RELAY_GREENLET, GROUP_GREENLET = 90, 91


class Script:
    """Records of one process: each moment a millisecond after the one before, half of it CPU."""

    def __init__(self, begun_ms: int, greenlet: int) -> None:
        self.now, self.greenlet, self.cpu = begun_ms * MS, greenlet, 0
        self.written: list[Moment] = []

    def at(self, *points: str | tuple[str, dict[str, Any]], greenlet: int | None = None) -> "Script":
        for point in points:
            name, names = (point, {}) if isinstance(point, str) else point
            self.now += MS
            self.cpu += MS // 2
            self.written.append(Moment(self.now, name, greenlet or self.greenlet, self.cpu, names))
        return self

    def starts(self, queue: str, message: str = "", correlation: str = "c-1") -> "Script":
        received = self.now
        names = {"queue": queue, "correlation": correlation, "message": message, "received": received}
        return self.at(("work_started", names))


ALONE = ("before_commit", "after_commit")
RPC = ("decoded", "authenticated", ("command", {"key": "k-1"}), "looked_up", "validated", "rpc_commit")
PUBLISHED = ("relay_claim", "relay_publish", "relay_confirm", "relay_mark")


def publishes(script: Script, event: str) -> Script:
    names = {"rows": [event]}
    return script.at(
        "relay_claim", ("publish_begun", names), "relay_publish", "relay_confirm", "relay_mark", greenlet=RELAY_GREENLET
    )


def assessment() -> Script:
    script = Script(10, greenlet=1).starts("rpc-assessment").at(*RPC, *ALONE, "rpc_reply", "rpc_ack", "settled")
    return publishes(script, "e-1")


def certification() -> Script:
    script = Script(30, greenlet=2).starts("certification.assessment.audit_accepted.v1", "e-1")
    return publishes(script.at("decoded", "handler_done", *ALONE, "before_ack", "settled"), "e-2")


def notification() -> Script:
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")
    return script.at("decoded", "handler_done", *ALONE, "before_ack", "settled")


def assembled(*scripts: Script) -> Trace | None:
    services = ("assessment", "certification", "notification")
    recorded = {service: moments.sort(script.written) for service, script in zip(services, scripts, strict=True)}
    return Assembly(recorded).trace(SENT)


def a_trace(*scripts: Script) -> Trace:
    trace = assembled(*(scripts or (assessment(), certification(), notification())))
    assert trace is not None
    return trace


def a_load(audits: int) -> Load:
    """So many audits within a second, which was spent on CPU by each service."""
    return Load([SENT] * audits, 1.0, dict.fromkeys(("assessment", "certification", "notification"), 1.0))


def named(trace: Trace, hop: str) -> list[str]:
    return [step.name for step in trace.path if step.hop == hop]


def test_the_path_leads_from_the_submission_to_the_notice_without_a_gap():
    trace = a_trace()

    assert trace.path[0].begun == SENT.begun
    assert all(before.ended == after.begun for before, after in itertools.pairwise(trace.path))
    assert trace.ms == sum(step.ms for step in trace.path)
    assert [step.hop for step in trace.path if step.name == "commit the transaction"] == [
        "assessment",
        "certification",
        "notification",
    ]


def test_each_step_of_a_call_has_its_name():
    assert named(a_trace(), "assessment") == [
        "client, broker: send, route, deliver",
        "wait for a worker",
        "decode",
        "check the token",
        "look for an earlier answer",
        "validate",
        "handler with its reads",
        "write in the transaction",
        "commit the transaction",
        "wait for the relay",
        "write to the broker",
    ]


def test_each_step_of_an_event_has_its_name():
    assert named(a_trace(), "notification") == [
        IN_BROKER,
        "wait for a worker",
        "decode, validate",
        "handler with its reads",
        "write in the transaction",
        "commit the transaction",
    ]


def test_answer_acknowledgement_and_confirm_are_beside_the_path():
    beside = {(step.hop, step.name) for step in a_trace().beside}

    assert beside == {
        ("client", "until the answer"),
        ("assessment", "answer the caller"),
        ("assessment", "acknowledge"),
        ("assessment", "wait for the confirm"),
        ("assessment", "mark as published"),
        ("certification", "acknowledge"),
        ("certification", "wait for the confirm"),
        ("certification", "mark as published"),
        ("notification", "acknowledge"),
    }


def test_cpu_is_that_of_the_greenlet_between_two_moments_and_unknown_between_processes():
    cpu = {step.name: step.cpu for step in a_trace().path if step.hop == "certification"}

    assert cpu["handler with its reads"] == MS // 2
    assert cpu[IN_BROKER] is None
    assert cpu["wait for a worker"] is None


def test_a_step_whose_beginning_was_not_recorded_is_joined_with_the_one_before():
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")

    trace = a_trace(assessment(), certification(), script.at("decoded", "after_commit"))

    assert named(trace, "notification")[-1] == (
        "handler with its reads + write in the transaction + commit the transaction"
    )
    assert sum(step.ms for step in trace.path) == trace.ms


def test_without_an_end_of_the_handler_the_first_write_says_when_it_was():
    written = {"command": "insert", "of": "inbox", "took": MS // 4, "cpu_before": MS}
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")

    trace = a_trace(assessment(), certification(), script.at("decoded", ("database", written), *ALONE))

    handler = next(s for s in trace.path if s.hop == "notification" and s.name == "handler with its reads")
    assert (handler.ms, handler.cpu) == (0.75, 0)


@pytest.mark.parametrize(
    "lost",
    ["the submission", "a hop", "a commit"],
)
def test_an_audit_that_was_not_followed_to_its_notice_gives_no_trace(lost):
    empty = Script(0, 1)
    uncommitted = Script(50, 3).starts("notification.certification.certificate_issued.v1", "e-2").at("decoded")
    scripts = {
        "the submission": (empty, certification(), notification()),
        "a hop": (assessment(), empty, notification()),
        "a commit": (assessment(), certification(), uncommitted),
    }[lost]

    assert assembled(*scripts) is None


def test_a_handler_that_ran_again_counts_once_and_what_it_lost_is_a_step():
    script = Script(30, greenlet=2).starts("certification.assessment.audit_accepted.v1", "e-1")
    script.at("decoded", "handler_begun", "handler_done", "before_commit")  # a clash
    script.at("handler_begun", "handler_done", *ALONE, "settled")

    trace = a_trace(assessment(), publishes(script, "e-2"), notification())

    names = named(trace, "certification")
    assert trace.tries == 1
    assert names.count("handler with its reads") == names.count("write in the transaction") == 1
    lost = next(step for step in trace.path if step.name.startswith(TRIED))
    assert lost.ms == 4
    assert sum(step.ms for step in trace.path) == trace.ms


def test_two_names_for_one_moment_are_no_second_try():
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")
    script.at("decoded", "handler_done", "rpc_commit", "before_commit", "group_committed", "after_commit")

    trace = a_trace(assessment(), certification(), script)

    assert trace.tries == 0
    assert named(trace, "notification")[-1] == "commit the transaction"
    assert trace.path[-1].ms == 1


def test_a_message_that_was_delivered_again_counts_from_its_committed_delivery():
    script = Script(30, greenlet=2).starts("certification.assessment.audit_accepted.v1", "e-1").at("decoded")
    script.greenlet = 4
    script.starts("certification.assessment.audit_accepted.v1", "e-1").at("decoded", "handler_done", *ALONE)

    trace = a_trace(assessment(), publishes(script, "e-2"), notification())

    assert trace.deliveries == 1
    assert named(trace, "certification").count("decode, validate") == 1
    assert sum(step.ms for step in trace.path) == trace.ms


def in_a_group(*others: str, again: bool = False) -> Script:
    """The notification's commit, by another greenlet for several units; at first in vain when one of them fails."""
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")
    script.at("decoded", "handler_done", "commit_asked")
    if again:
        script.at(("group_begun", {"units": ["c-1/e-2", *others]}), greenlet=GROUP_GREENLET)
        script.at("before_commit", "group_failed", greenlet=GROUP_GREENLET)
        others = ()
    script.at(("group_begun", {"units": ["c-1/e-2", *others]}), greenlet=GROUP_GREENLET)
    script.at("before_commit", ("group_committed", {"units": ["c-1/e-2", *others]}), greenlet=GROUP_GREENLET)
    return script.at("before_ack", "settled")


def test_who_waits_for_a_group_shares_its_cpu_with_the_others():
    trace = a_trace(assessment(), certification(), in_a_group("c-2/e-7", "c-3/e-8", "c-4/e-9"))

    steps = {step.name: step for step in trace.path if step.hop == "notification"}
    assert steps["wait for a group commit"].ms == 1
    assert steps["wait for a group commit"].cpu is None
    assert steps["commit the transaction"].cpu == MS // 2 // 4


def test_a_group_that_one_of_its_members_broke_is_a_try_of_those_that_were_with_it():
    trace = a_trace(assessment(), certification(), in_a_group("c-2/violates", again=True))

    waited = next(step for step in trace.path if "wait for a group commit" in step.name)
    assert trace.tries == 1
    assert waited.name.startswith(TRIED)
    assert waited.ms == 4  # the group, and its failure
    assert trace.path[-1].cpu == MS // 2  # alone then


def test_another_units_group_is_none_of_ours():
    script = notification()
    script.written += Script(52, GROUP_GREENLET).at(("group_begun", {"units": ["c-2/e-7"]}), "group_committed").written

    trace = a_trace(assessment(), certification(), script)

    assert "wait for a group commit" not in named(trace, "notification")


def test_a_window_without_names_is_found_by_its_time():
    script = Script(2, greenlet=1)
    script.at(*PUBLISHED, greenlet=RELAY_GREENLET)  # one of an earlier audit
    script.starts("rpc-assessment").at(*RPC, *ALONE, "settled").at(*PUBLISHED, greenlet=RELAY_GREENLET)
    committed = next(m.at for m in script.written if m.point == "after_commit")
    script.at(*PUBLISHED, greenlet=RELAY_GREENLET)  # the next one, before the event was read

    trace = a_trace(script, certification(), notification())

    written = next(s for s in trace.path if s.hop == "assessment" and s.name == "write to the broker")
    assert committed < written.begun < committed + 4 * MS
    assert written.cpu is None  # shared with nobody knows whom


def test_without_a_window_the_relay_is_a_part_of_the_brokers_step():
    script = Script(10, greenlet=1).starts("rpc-assessment").at(*RPC, *ALONE, "settled")

    trace = a_trace(script, certification(), notification())

    assert named(trace, "certification")[0] == f"relay + {IN_BROKER}"


def test_commands_to_the_database_are_shown_where_they_were_sent():
    read = {"command": "find", "of": "members", "took": MS // 2, "cpu_before": 0}
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")

    trace = a_trace(assessment(), certification(), script.at("decoded", ("database", read), "handler_done", *ALONE))

    assert [(c.hop, c.name, c.ms) for c in trace.commands] == [("notification", "find members", 0.5)]


def test_a_read_that_is_answered_for_many_is_shown_from_asking_to_answer():
    asked, done = ("read_asked", {"key": "bodies"}), ("read_done", {"key": "bodies"})
    script = Script(50, greenlet=3).starts("notification.certification.certificate_issued.v1", "e-2")

    trace = a_trace(assessment(), certification(), script.at("decoded", asked, done, "handler_done", *ALONE))

    assert [(c.name, c.ms) for c in trace.commands] == [("answer on bodies", 1.0)]
    assert trace.tries == 0


def test_commands_of_nobody_count_and_those_of_another_load_do_not():
    names = {"command": "find", "of": "outbox", "took": MS, "cpu_before": 0}
    sweeps = [Moment(at, "database", 77, 0, names) for at in (MS, 2 * MS, 5_000 * MS)]
    recorded = {"certification": moments.sort(sweeps)}

    summary = sum_up("one at a time", [a_trace()], a_load(1), recorded)

    (command,) = summary.commands
    assert (command.service, command.name, command.each, command.whole_ms) == ("certification", "find outbox", 2, 2)


def test_lines_of_a_file_are_read_and_one_that_a_kill_cut_short_is_left_out(tmp_path):
    names = {"queue": "rpc-assessment", "correlation": "c-1", "message": "", "received": 1}
    lines = [
        json.dumps([2, 0, 0, 1, "work_started", names]),
        json.dumps([3, 0, 0, 1, "decoded", {}]),
        '[4, 0, 0, 1, "se',
    ]
    (tmp_path / "assessment-7.jsonl").write_text("\n".join(lines))
    (tmp_path / "certification-8.jsonl").write_text(lines[0])

    recorded = moments.read(tmp_path, "assessment")

    assert [m.point for work in recorded.works for m in work.moments] == ["work_started", "decoded"]


def test_a_moment_after_the_end_of_a_work_belongs_to_none():
    script = notification().at("decoded")

    recorded = moments.sort(script.written)

    assert recorded.works[0].moments[-1].point == "settled"


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_quantile_is_a_value_that_was_measured(share, value):
    assert quantile(list(range(100, 0, -1)), share) == value


def test_shares_of_the_path_add_up_to_the_whole():
    traces = [a_trace(), dataclasses.replace(a_trace(), key="k-2")]

    summary = sum_up("one at a time", traces, a_load(2), {})

    assert sum(line.share or 0 for line in summary.lines) == pytest.approx(1.0)
    assert all(line.share is None for line in summary.beside)
    assert summary.cpu[0].all_ms == 500
    assert summary.cpu[0].elsewhere_ms < 500


def test_the_median_audit_is_one_of_those_that_were_traced():
    def lasting(ms: int) -> Trace:
        return Trace("k", [Step("assessment", "all", 0, ms * MS)], [], [])

    assert at_quantile([lasting(3), lasting(1), lasting(2)], 0.5).ms == 2


def test_without_any_trace_there_is_no_summary():
    with pytest.raises(ValueError, match="of 5 audits none"):
        sum_up("one at a time", [], a_load(5), {})


def test_nothing_recorded_is_nothing_assembled():
    assert Assembly({"assessment": Recorded()}).trace(SENT) is None


def test_stacks_become_a_tree_with_the_samples_of_each_call():
    folded = ["main (a.py);handle (b.py) 3", "main (a.py);handle (b.py);send (eventlet/greenio/base.py) 4", "no count"]

    top = tree(folded, "assessment")

    main = top.calls["main", "a.py"]
    handle = main.calls["handle", "b.py"]
    assert (top.samples, main.samples, main.own, handle.samples, handle.own) == (7, 7, 0, 7, 3)
    assert own_by_origin(top) == {"other": 3, "sockets": 4}


def test_waiting_for_something_to_do_is_no_sample():
    folded = ["BaseHub.run (eventlet/hubs/hub.py);Hub.do_poll (eventlet/hubs/epolls.py) 9", "main (a.py) 2"]

    assert tree(folded, "assessment").samples == 2


@pytest.mark.parametrize(
    ("where", "whose"),
    [
        ("pymongo/synchronous/pool.py", "pymongo"),
        ("/x/site-packages/eventlet/hubs/hub.py", "nameko, eventlet"),
        ("eventlet/greenio/base.py", "sockets"),
        ("/y/libs/chassis/touchstone_chassis/rpc.py", "chassis"),
        ("json/decoder.py", "other"),
    ],
)
def test_a_file_belongs_to_a_library_or_to_us(where, whose):
    assert origin(where) == whose


def test_the_page_shows_every_step_and_says_why_there_are_no_flame_graphs():
    summary = sum_up("one at a time", [a_trace()], a_load(1), {})

    written = page(Profile("A machine.", [summary], {"assessment": 7.25}, {}, not_sampled="ptrace is <forbidden>"))

    assert all(line.name in written for line in summary.lines)
    assert "7.25" in written
    assert "ptrace is &lt;forbidden&gt;" in written
    assert "http" not in written  # needs nothing from elsewhere


def test_a_flame_graph_leaves_out_what_is_too_narrow_to_see():
    drawn = flames(tree(["main (a.py) 999", "seldom (b.py) 1"], "assessment"))

    assert "main" in drawn
    assert "seldom" not in drawn


def test_where_a_process_may_not_be_read_there_is_a_reason_and_no_samples(tmp_path, monkeypatch):
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\necho 'Permission denied: ptrace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sampling, "installed", lambda: program)

    with (
        pytest.raises(sampling.NotSampled, match="assessment service: Permission denied: ptrace"),
        sampling.sampled({"assessment": 1}, tmp_path, print),
    ):
        pytest.fail("it went on without samples")


def test_a_lock_that_cannot_be_installed_is_a_reason_too(tmp_path, monkeypatch):
    lock = tmp_path / "profile.txt"
    lock.write_text("py-spy==0.0.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(sampling, "REQUIREMENTS", lock)
    monkeypatch.setattr(sampling, "ENVIRONMENT", tmp_path / "environment")

    def fails(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="No matching distribution")

    monkeypatch.setattr(subprocess, "run", fails)

    with pytest.raises(sampling.NotSampled, match="cannot be installed: No matching distribution"):
        sampling.installed()
