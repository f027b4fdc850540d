"""`touchstone reconcile`: compares the ledgers of all services, once or for ever, and mends what it safely can."""

import dataclasses
import datetime
import re
import time
from typing import Annotated, Any

import typer

from touchstone.cli.context import ANSWER_IS_NO, FAILURES, Session, calling, finite
from touchstone.cli.render import Output, error_object
from touchstone.reconciliation.ledger import Committed, Discrepancy
from touchstone.reconciliation.round import Round, Terms, reconcile
from touchstone.reconciliation.snapshot import Seeds
from touchstone_contracts.moments import read_day, read_moment

FIRST_LOOK = datetime.timedelta(days=1)
LATER_LOOK = datetime.timedelta(hours=2)
LONG_LOOK_EVERY = datetime.timedelta(hours=1)
"""How often a process that runs for ever looks back as far as with its first round."""
CARRIED_FOR = datetime.timedelta(days=55)
"""Older events are not published again: inboxes may have forgotten that they took effect."""
CARRIED_MAX = 20_000
"""More than so many events are not followed one by one: the next round begins with the oldest of them."""
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Since = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN", help="From when on: 90s, 15m, 2h, 3d ago, a day, or a time with its zone. Default: a day ago."
    ),
]
Every = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=1,
        callback=finite,
        help="Again and again: two hours back, a day each hour. Default: once.",
    ),
]


@calling
def command(
    session: Session,
    since: Since = None,
    every: Every = None,
    mend: Annotated[bool, typer.Option("--mend", help="Publish lost events again, set lost deadlines again.")] = False,
    rate: Annotated[
        float, typer.Option(metavar="PER_SECOND", min=0.1, max=1000, callback=finite, help="How fast to mend.")
    ] = 50.0,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, callback=finite, help="No event is missed before.")
    ] = 60.0,
    overdue: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="So long may one wait for the broker.")] = 300,
) -> None:
    """Compare audits, decisions, certificates, outboxes, inboxes and notices; mend nothing without --mend (operator).

    Exit status 3 where discrepancies are left.
    """
    terms = Terms(mend=mend, rate_per_s=rate, grace_s=grace, overdue_s=overdue)
    begin = moment(since) if since else _now() - FIRST_LOOK
    if every is None:
        done = reconcile(session.client.call, begin, terms)
        _show(session.output, done)
        if done.left:
            raise typer.Exit(ANSWER_IS_NO)
        return
    course = Course(begin)
    while True:
        started = _now()
        came = _one_round(session, course, terms)
        if came is not None:
            course.goes_on(started, came)
        time.sleep(max(0.0, every - (_now() - started).total_seconds()))


@dataclasses.dataclass
class Course:
    """Where the next round begins, and what it looks at beside: what is not handled yet, and what differed."""

    begin: datetime.datetime
    carried: list[Committed] = dataclasses.field(default_factory=list)
    open: list[Discrepancy] = dataclasses.field(default_factory=list)
    long_at: datetime.datetime | None = None
    """When the last round began that looked a day back or further."""

    def goes_on(self, started: datetime.datetime, done: Round) -> None:
        """A round that began at `started` is done."""
        if self.begin <= started - FIRST_LOOK:
            self.long_at = started
        is_long = self.long_at is None or started - self.long_at >= LONG_LOOK_EVERY
        self.begin = started - (FIRST_LOOK if is_long else LATER_LOOK)
        oldest = started - CARRIED_FOR
        unfinished = sorted((event.recorded_at, event.id) for event in done.unfinished.values())
        followed = [(moment, id) for moment, id in unfinished if moment > oldest]
        if len(followed) > CARRIED_MAX:
            self.begin = min(self.begin, followed[0][0])
            followed = []
        self.carried = [done.unfinished[id] for _, id in followed]
        self.open = done.discrepancies


def _one_round(session: Session, course: Course, terms: Terms) -> Round | None:
    """A round of many; a service that is away is no reason to end: the next round begins where this one did."""
    try:
        done = reconcile(session.client.call, course.begin, terms, Seeds.of(course.open, course.carried))
    except FAILURES as failure:
        _log(session.output, "not_reconciled", level="warning", since=course.begin, error=error_object(failure)["code"])
        return None
    _log(session.output, "reconciled", level="warning" if done.left else "info", **_line(done))
    return done


def _line(done: Round) -> dict[str, Any]:
    return {
        "since": done.since,
        "events": done.events,
        "calls": done.calls,
        "differences": done.counts(),
        "mended": len(done.mended),
        "refused": len(done.refused),
        "left": len(done.left),
        "unfinished": len(done.unfinished),
    }


def _log(output: Output, event: str, *, level: str, **facts: Any) -> None:
    """One line of JSON a round, as the services write theirs."""
    output.json({"event": event, "level": level, "timestamp": _now().isoformat(), **facts}, indent=None)


def _show(output: Output, done: Round) -> None:
    if output.as_json:
        found = [{"service": d.service, **d.as_report(), "mendable": d.mend is not None} for d in done.discrepancies]
        output.json({**_line(done), "found": found, "mended_ids": done.mended, "refusals": done.refused})
        return
    for discrepancy in done.discrepancies:
        output.line(f"{discrepancy.service} {discrepancy.kind} {discrepancy.id}", style="bold")
        output.line(f"  {discrepancy.sentence}")
    for refusal in done.refused:
        output.line(f"not mended: {refusal['id']}: {refusal['message']}", style="red")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(done.counts().items())) or "nothing differs"
    sums = f"{len(done.mended)} mended, {len(done.left)} left"
    output.line(f"{done.events} events since {str(done.since)[:19]}: {counts}; {sums}")


def moment(text: str) -> datetime.datetime:
    """A moment out of an age (`2h`), a day (in UTC) or a time with its zone; a usage error for anything else."""
    age = re.fullmatch(r"(\d{1,9})([smhd])", text)
    try:
        if age:
            return _now() - datetime.timedelta(seconds=int(age[1]) * _UNITS_S[age[2]])
        if "T" not in text:
            return datetime.datetime.combine(read_day(text), datetime.time(), datetime.UTC)
        return read_moment(text)
    except (ValueError, OverflowError):
        forms = "an age such as 90s, 15m, 2h or 3d, a day (2026-03-05) or a time with its zone (2026-03-05T09:00:00Z)"
        raise typer.BadParameter(f"--since is {forms}") from None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
