"""Says in plain text, for a terminal, where the time of an audit goes."""

from collections.abc import Mapping, Sequence

from touchstone_devkit.profiling.summing import Line, Summary

NAME_WIDTH = 38


def in_words(summaries: Sequence[Summary], unrecorded: Mapping[str, float]) -> str:
    """A line for each step of each hop: median and 99th percentile in ms, share and CPU, load by load.

    `unrecorded`: CPU of each service, in milliseconds an audit, without the recorder.
    """
    lines = []
    for summary in summaries:
        cpu = ", ".join(f"{c.service} {c.all_ms:.1f}" for c in summary.cpu)
        lines += [
            "",
            f"{summary.title}: {len(summary.traces)} of {summary.submitted} audits traced, "
            f"median {summary.median.ms:.1f} ms, p99 {summary.p99.ms:.1f} ms, CPU ms an audit: {cpu}",
            f"  {'hop':<14}{'step':<{NAME_WIDTH}}{'median':>9}{'p99':>9}{'share':>8}{'CPU':>7}",
            *(_line(line) for line in summary.lines),
            "  beside the path:",
            *(_line(line) for line in summary.beside),
        ]
    cpu = ", ".join(f"{service} {ms:.1f}" for service, ms in unrecorded.items())
    return "\n".join([*lines, "", f"As many submitters without the recorder, CPU ms an audit: {cpu}"])


def _line(line: Line) -> str:
    share = "" if line.share is None else f"{line.share:.1%}"
    cpu = "" if line.cpu_ms is None else f"{line.cpu_ms:.2f}"
    name = line.name[: NAME_WIDTH - 1]
    return f"  {line.hop:<14}{name:<{NAME_WIDTH}}{line.median_ms:>9.2f}{line.p99_ms:>9.2f}{share:>8}{cpu:>7}"
