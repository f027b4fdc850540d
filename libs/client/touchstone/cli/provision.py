"""`touchstone provision`: makes broker and database ready, or says with --check what is not as it should be."""

import dataclasses
import pathlib
from typing import Annotated, Any

import typer

from touchstone.cli.context import (
    ANSWER_IS_NO,
    Json,
    MongoUri,
    Prefix,
    database_uri,
    finite,
    for_operators,
    required,
    told,
)
from touchstone.cli.render import Output

ManagementUri = Annotated[
    str | None,
    typer.Option(
        envvar=["TOUCHSTONE_MANAGEMENT_URI", "AMQP_MANAGEMENT_URI"],
        help="The broker's management API, for --check and --users. Default: its host and user, port 15672.",
    ),
]
Users = Annotated[
    pathlib.Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Make users: of the broker for each service and for outsiders, FOLDER/WHO/amqp keeps user and password;"
        " of the database for each service, FOLDER/WHO/mongo.",
    ),
]
Outsiders = Annotated[
    list[str] | None,
    typer.Option("--outsider", metavar="WHO", help="With --users, again and again. Default: outside."),
]
AdminUri = Annotated[
    str | None,
    typer.Option(
        "--amqp-uri",
        envvar=["AMQP_URI", "TOUCHSTONE_AMQP_URI"],
        help="amqp://user:password@host/vhost, of a user that may make everything.",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Change nothing; exit status 3 where something deviates.")]


def provision(
    amqp_uri: AdminUri = None,
    mongo_uri: MongoUri = None,
    database_prefix: Prefix = "touchstone",
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", callback=finite, help="For broker and database to answer.")
    ] = 60,
    check: Check = False,
    management_uri: ManagementUri = None,
    users: Users = None,
    outsiders: Outsiders = None,
    as_json: Json = False,
) -> None:
    """Make broker and database ready for the services that are installed here. May run again at any time."""
    provisioning, drift = for_operators("provisioning.provision"), for_operators("provisioning.drift")
    output = Output(as_json=as_json)
    broker = required(amqp_uri, "--amqp-uri", "TOUCHSTONE_AMQP_URI")
    database = database_uri(mongo_uri)
    with told(output, provisioning.ProvisioningFailed):
        if check:
            found = drift.find_drift(broker, database, database_prefix, management_uri=management_uri, wait_s=wait)
            _show(output, found)
            raise typer.Exit(ANSWER_IS_NO if found.deviations else 0)
        report = provisioning.provision(broker, database, database_prefix, wait_s=wait)
        shown = report.as_dict() if as_json else report.counts()
        if users is not None:
            named = {"outsiders": outsiders} if outsiders else {}
            made = for_operators("provisioning.users").provision_users(
                broker, database_prefix, users, management_uri=management_uri, **named
            )
            shown["users"] = made if as_json else ", ".join(made)
            of_database, why_none = _database_users(database, database_prefix, users, wait)
            shown["database_users"] = of_database if as_json else ", ".join(of_database) or f"none: {why_none}"
            if as_json and why_none:
                shown["no_database_users"] = why_none
        output.answer("provisioned", shown)


def _database_users(database: str, prefix: str, folder: pathlib.Path, wait_s: float) -> tuple[dict[str, str], str]:
    """The files by user; none, and why, where the address may make none: services go on with that in theirs."""
    database_users = for_operators("provisioning.database_users")
    try:
        return database_users.provision_database_users(database, prefix, folder, wait_s=wait_s), ""
    except database_users.UsersForbidden as error:
        return {}, str(error)


def _show(output: Output, found: Any) -> None:
    deviations = [dataclasses.asdict(deviation) for deviation in found.deviations]
    if output.as_json:
        output.json({"deviations": deviations, "not_compared": found.not_compared})
        return
    if deviations:
        output.table(f"{len(deviations)} not as the topologies say", deviations)
    else:
        output.line("all that was compared is as the topologies say")
    for left in found.not_compared:
        output.line(f"not compared: {left}", style="red")
