"""`touchstone cases stuck` and `touchstone case`: where cases stand and why, and the way of one of them."""

import dataclasses
import datetime
import re
from typing import Annotated, Any

import typer

from touchstone.cases.case_file import case_file
from touchstone.cases.forgeries import forgeries
from touchstone.cases.history import gather, without_records
from touchstone.cases.leftover_queues import Queue, unconsumed_queues
from touchstone.cases.stuck import Line, unfinished, waiting_lines
from touchstone.cases.timeline import Step, from_records, steps
from touchstone.cli.case_views import show_timeline, show_unfinished, waited_s, what_became
from touchstone.cli.context import Session, age_s, calling
from touchstone.cli.render import Output
from touchstone.rpc.fan_out import ANSWER_WITHIN_S, FanOut
from touchstone_contracts.errors import NotFound

WINDOW = "7d"

app = typer.Typer(
    help="Unfinished cases: where they stand and what they wait for (operator, secretariat, registrar).",
    no_args_is_help=True,
)


@app.callback()
def cases() -> None:
    """Unfinished cases: where they stand and what they wait for (operator, secretariat, registrar)."""


@app.command()
@calling
def stuck(
    session: Session,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Waiting for at least so long: 90s, 10m, 2h, 3d.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what goes on by itself: a plan due next month, a retry.")
    ] = False,
    window: Annotated[
        str, typer.Option(metavar="AGE", help="How far back to look for events that nobody processed.")
    ] = WINDOW,
) -> None:
    """List unfinished cases that somebody has to do something about, and what; one line each."""
    now, at_least_s = datetime.datetime.now(datetime.UTC), age_s("--older-than", older_than) or 0
    back = datetime.timedelta(seconds=age_s("--window", window) or 0)
    queues = unconsumed_queues(session.amqp_uri)
    lines = [*_of_queues(queues), *unfinished(FanOut(session.client), now, back)]
    shown = [line for line in lines if (everything or line.who) and waited_s(line, now) >= at_least_s]
    if session.output.as_json:
        session.output.json([_as_json(line) for line in shown])
        return
    if shown:
        show_unfinished(session.output, shown, now)
    else:
        session.output.line("nothing waits for anybody", style="dim")
    resting = len(lines) - len([line for line in lines if line.who])
    if resting and not everything:
        session.output.line(f"{resting} more go on by themselves (--all shows them)", style="dim")


@calling
def case(
    session: Session,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Audit, case or certificate number.")],
    records: Annotated[
        bool, typer.Option("--records", help="Also the records that went with each version of case and certificate.")
    ] = False,
) -> None:
    """Show the way of one case, from submission to last notice: what led to what, when, and what is yet to come."""
    services = FanOut(session.client)
    id = _case_id(session, number)
    forged = list(forgeries(services, id))
    try:
        found = case_file(session.client, id, timeout_s=ANSWER_WITHIN_S)
    except NotFound:
        if not forged:
            raise
        found = {"audit": None, "case": None, "certificate": None, "notices": [], "missing": {}}
    gathered = gather(services, id, _subjects(found))
    history = gathered if records else without_records(gathered)
    taken = [*from_records(found, history), *steps(history, datetime.datetime.now(datetime.UTC)), *forged]
    open_lines = list(waiting_lines(services, case=id))
    silent = services.silent | dict(found["missing"])
    if found["case"] is None and not (open_lines or silent or any(step.kind == "gap" for step in taken)):
        silent["case"] = (
            "certification has none, and nothing is on its way that would open it: see touchstone reconcile"
        )
    if session.output.as_json:
        session.output.json(
            {
                "case": id,
                "certificate_number": found["certificate"]["number"] if found["certificate"] else None,
                "steps": [_as_json(step) for step in taken],
                "waits_for": [_as_json(line) for line in open_lines],
                "unknown": silent,
            }
        )
    else:
        _show(session.output, id, found, taken, open_lines, silent)


def _show(
    output: Output, id: str, found: dict[str, Any], taken: list[Step], open_lines: list[Line], silent: dict[str, str]
) -> None:
    output.line(id, style="bold")
    output.line(f"  {what_became(found)}")
    show_timeline(output, taken)
    for line in open_lines:
        since = f" since {line.since:%Y-%m-%d %H:%M:%S}" if line.since else ""
        output.line(f"waits for {line.waits_for} ({line.service}: {line.state}{since})", style="bold")
    for name, why in silent.items():
        output.line(f"{name}: not known, {why}", style="bold yellow")
    gaps = sum(step.kind == "gap" for step in taken)
    if not open_lines and not gaps and not silent:
        output.line("nothing is missing", style="dim")


def _case_id(session: Session, number: str) -> str:
    """The audit's id, which is the case's; a certificate's number is looked up."""
    if not re.fullmatch(r"\d{1,15}", number):
        return number
    audit_id: str = session.client.certification.get_certificate(number=int(number))["audit_id"]
    return audit_id


def _subjects(found: dict[str, Any]) -> list[str]:
    """The ids of the case's aggregates beside the audit's: its certificate and its notices."""
    certificate = found["certificate"]
    return [
        *([certificate["certificate_id"]] if certificate else []),
        *(notice["notice_id"] for notice in found["notices"] or ()),
    ]


def _of_queues(queues: list[Queue]) -> list[Line]:
    text = "a process that consumes {0.name}: {0.messages} messages are in it"
    return [
        Line(service=queue.service, state="queue not consumed", waits_for=text.format(queue))
        for queue in queues
        if queue.messages or queue.name.startswith("rpc-")
    ]


def _as_json(item: Line | Step) -> dict[str, Any]:
    """Times as ISO 8601."""
    plain = dataclasses.asdict(item)
    return {name: v.isoformat() if isinstance(v, datetime.datetime) else v for name, v in plain.items()}
