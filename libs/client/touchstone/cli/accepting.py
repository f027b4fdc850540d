"""`touchstone reconcile list` and `accept`: what was reported to differ, and what people are done with."""

from typing import Annotated, Any

import typer

from touchstone.cli.context import Session, calling
from touchstone.reconciliation.snapshot import PAGE, SERVICES

_COLUMNS = ("id", "service", "kind", "found_at", "accepted_by", "why", "sentence")

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Differences by id.")]
Why = Annotated[str, typer.Option(help="What was done about them: kept with your name for whoever looks later.")]
State = Annotated[str, typer.Option(help="open, accepted or settled.")]


@calling
def list_differences(session: Session, state: State = "open") -> None:
    """List the differences that were reported to the services (operator)."""
    found = [{"service": service, **item} for service in SERVICES for item in _listed(session, service, state)]
    if session.output.as_json:
        session.output.json(found)
    elif found:
        session.output.table(f"{len(found)} {state}", found, _COLUMNS)
    else:
        session.output.line(f"nothing is {state}", style="dim")


@calling
def accept(session: Session, ids: Ids, why: Why) -> None:
    """Have differences counted and reported no more, since somebody dealt with them (operator).

    One is reported again when something else is said of it. Exit status 1 where one cannot be accepted.
    """
    accepted: list[str] = []
    refused: dict[str, dict[str, Any]] = {}
    for service in SERVICES:
        answer = session.client.call(service, "accept_differences", ids=ids, why=why)
        accepted += answer["accepted"]
        for refusal in answer["refused"]:
            if refused.get(refusal["id"], {}).get("code", "not_found") == "not_found":
                refused[refusal["id"]] = refusal
    left = [refusal for id, refusal in refused.items() if id not in accepted]
    if session.output.as_json:
        session.output.json({"accepted": accepted, "refused": left})
    else:
        for id in accepted:
            session.output.line(f"accepted {id}")
        for refusal in left:
            session.output.line(f"not accepted: {refusal['id']}: {refusal['message']}", style="red")
    if left:
        raise typer.Exit(1)


def _listed(session: Session, service: str, state: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        more: dict[str, Any] = {"after": after} if after else {}
        page = session.client.call(service, "list_differences", state=state, limit=PAGE, **more)
        items += page["items"]
        after = page["next"]
        if not after:
            return items
