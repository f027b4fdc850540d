"""`touchstone backup` and `touchstone restore`: one service's database, out of and into a file."""

import pathlib
from typing import Annotated, Any

import pika.exceptions
import typer

from touchstone.cli.context import AmqpUri, Json, MongoUri, Prefix, database_uri, for_operators, required, told
from touchstone.cli.render import Output
from touchstone.rpc.blocking import open_connection
from touchstone_contracts.topology import rpc_queue

NUMBERS_SKIPPED = 10_000

Service = Annotated[str, typer.Option(metavar="NAME", help="Whose database.")]


def backup(
    service: Service,
    out: Annotated[pathlib.Path, typer.Option(metavar="FILE", help="Where to; replaced when it is there.")],
    mongo_uri: MongoUri = None,
    database_prefix: Prefix = "touchstone",
    as_json: Json = False,
) -> None:
    """Write a service's database into a file, as of one moment, while everything goes on (operator)."""
    backups, output = for_operators("backup.archive"), Output(as_json=as_json)
    database = database_uri(mongo_uri)
    with told(output, backups.BackupFailed):
        summary = backups.back_up(database, database_prefix, service, out)
        output.answer(f"backed up {service}", _shown(summary, as_json) | {"file": str(out)})


def restore(
    service: Service,
    file: Annotated[
        pathlib.Path | None, typer.Argument(metavar="[FILE]", help="What `touchstone backup` wrote.")
    ] = None,
    put_back_otherwise: Annotated[
        bool, typer.Option("--put-back-otherwise", help="No FILE: it was put back by mongorestore or a snapshot.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Remove what is in the database.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read the file, and change nothing.")] = False,
    skip_numbers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Leave out so many certificate numbers after the backup's last.")
    ] = NUMBERS_SKIPPED,
    numbers_above: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="Give no number up to this one.")
    ] = None,
    amqp_uri: AmqpUri = None,
    mongo_uri: MongoUri = None,
    database_prefix: Prefix = "touchstone",
    as_json: Json = False,
) -> None:
    """Put a service's database back as it was at the time of a backup. The service must be stopped (operator).

    Numbers and versions go on far above those of the backup, so that none is given twice.
    See docs/runbooks/restore-a-database.md for what to do before and after.
    """
    backups, output = for_operators("backup.archive"), Output(as_json=as_json)
    if (file is None) is not put_back_otherwise:
        raise typer.BadParameter("give a FILE, or --put-back-otherwise")
    if dry_run and file is None:
        raise typer.BadParameter("--dry-run reads a FILE: with --put-back-otherwise there is none")
    with told(output, backups.RestoreFailed, ServiceIsRunning):
        if dry_run and file:
            output.answer("would restore", _shown(backups.read_summary(file), as_json))
            return
        database = database_uri(mongo_uri)
        _refuse_while_running(required(amqp_uri, "--amqp-uri", "TOUCHSTONE_AMQP_URI"), service)
        numbers = {"skip": skip_numbers, "above": numbers_above}
        done = f"restored {service}; next: touchstone provision, then start it"
        if file is None:
            above = backups.go_on_beyond(database, database_prefix, service, **numbers)
            output.answer(done, {"service": service, "numbers_above": above})
        else:
            summary = backups.restore(database, database_prefix, service, file, replace=replace, **numbers)
            output.answer(done, _shown(summary, as_json))


class ServiceIsRunning(Exception):
    """A process of the service consumes its queue: what it writes would be mixed with the backup."""


def _refuse_while_running(amqp_uri: str, service: str) -> None:
    with open_connection(amqp_uri, client_name="touchstone restore", wait_s=10) as connection:
        try:
            found = connection.channel().queue_declare(rpc_queue(service), passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return  # no queue, so nobody at it
    if found.method.consumer_count:
        raise ServiceIsRunning(f"{service} is running ({found.method.consumer_count} processes): stop it first.")


def _shown(summary: Any, as_json: bool) -> dict[str, Any]:
    shown = summary.as_dict()
    return shown if as_json else {name: value for name, value in shown.items() if name != "counts"}
