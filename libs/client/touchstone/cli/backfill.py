"""`touchstone backfill`: gives a new or emptied service the history of the producers that it listens to."""

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from touchstone.backfill.filling import Filled, NotReady, Producer, backfill
from touchstone.cli.context import ANSWER_IS_NO, Session, calling, finite, told
from touchstone_contracts.services import SERVICES


def _service(name: str) -> str:
    if name not in SERVICES:
        raise typer.BadParameter(f"one of {', '.join(SERVICES)}")
    return name


@calling
def command(
    session: Session,
    consumer: Annotated[str, typer.Argument(metavar="CONSUMER", help="The service to fill.", callback=_service)],
    rate: Annotated[
        float, typer.Option(metavar="PER_SECOND", min=1, max=100_000, callback=finite, help="Send no faster.")
    ] = 2_000.0,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, callback=finite, help="So long may it be behind its queues.")
    ] = 900.0,
) -> None:
    """Give a service everything that its producers ever announced, out of their event logs (operator).

    Beside live events; killed, the next call goes on where it ended. Copies are kept; what events once led to does not
    happen again. Exit status 3 where the service did not handle some: its dead letters say why.
    """
    with told(session.output, NotReady), _bars(session.output.as_json) as bars:
        tasks: dict[str, Any] = {}

        def progress(producer: Producer) -> None:
            if producer.name not in tasks:
                tasks[producer.name] = bars.add_task(producer.name, total=producer.total)
            total = producer.sent if producer.done else max(producer.total, producer.sent)
            bars.update(tasks[producer.name], completed=producer.sent, total=total)

        filled = backfill(session.client.call, consumer, rate_per_s=rate, wait_s=wait, progress=progress)
    session.output.answer(f"filled {consumer}", _shown(filled))
    if filled.left:
        raise typer.Exit(ANSWER_IS_NO)


def _bars(as_json: bool) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, disable=as_json)


def _shown(filled: Filled) -> dict[str, Any]:
    return {"sent": {producer.name: producer.sent for producer in filled.producers}, "left": filled.left}
