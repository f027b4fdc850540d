"""`touchstone dead-letters`: dead letters, looked at, edited, sent back or discarded over all services."""

import dataclasses
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from touchstone.cli.context import Session, age_s, calling, finite
from touchstone.cli.render import Output
from touchstone.reading import Unreadable, read_text, text_of
from touchstone_contracts.errors import NotFound
from touchstone_contracts.services import SERVICES

PAGE = 100
_COLUMNS = ("id", "service", "parked_at", "reason", "queue", "attempts", "replays", "error")

app = typer.Typer(help="Dead letters: look, edit, send back, discard (operator).", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID")]
Service = Annotated[str | None, typer.Option(metavar="NAME", help="One service; default: all four.")]
Why = Annotated[str, typer.Option(help="Why you do it: kept with your name for whoever looks later.")]


@dataclasses.dataclass
class Chosen:
    """Which services' dead letters, and which of them."""

    service: Service = None
    queue: Annotated[str | None, typer.Option(help="Given up from this queue.")] = None
    event: Annotated[str | None, typer.Option(help="Of this event type, as in docs/events.md.")] = None
    reason: Annotated[str | None, typer.Option(help="Given up for this reason.")] = None
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Parked at least so long ago: 90s, 15m, 2h, 3d.")
    ] = None
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many of each service.")] = None

    def filter(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in ("queue", "event", "reason")}
        given["older_than_s"] = age_s("--older-than", self.older_than)
        return {name: value for name, value in given.items() if value is not None}


@dataclasses.dataclass
class Order:
    """What to do something with, and why."""

    why: Why
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="By their ids; else a filter.")] = None
    everything: Annotated[
        bool, typer.Option("--all", help="All that is parked, where neither ids nor a filter is given.")
    ] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")] = False


@app.command("list")
@calling
def list_dead_letters(
    session: Session,
    chosen: Chosen,
    state: Annotated[str, typer.Option(help="parked, replayed or discarded.")] = "parked",
) -> None:
    """List dead letters, oldest first."""
    found = [
        {"service": service, **item}
        for service, page in _pages(session, "list_dead_letters", chosen, state=state, **chosen.filter())
        for item in page["items"]
    ]
    if session.output.as_json:
        session.output.json(found)
    elif found:  # times to the second, and no more of an error than fits into a table
        short = [item | {"parked_at": item["parked_at"][:19], "error": str(item["error"])[:60]} for item in found]
        session.output.table(f"{len(found)} {state}", short, _COLUMNS)
    else:
        session.output.line(f"nothing is {state}", style="dim")


@app.command()
@calling
def show(
    session: Session,
    id: Id,
    service: Service = None,
    body: Annotated[bool, typer.Option("--body", help="Print the body alone, as a file for `edit`.")] = False,
) -> None:
    """Show a dead letter whole: why, since when, headers, body, and what was done with it by whom."""
    name, found = _found(session, id, service)
    content = found["body"] if found["edited_body"] is None else found["edited_body"]
    if body:
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        (session.output.block if session.output.out.is_terminal else print)(text)
    elif session.output.as_json:
        session.output.json({"service": name, **found})
    else:
        _show(session.output, name, found)


@app.command()
@calling
def replay(
    session: Session,
    order: Order,
    chosen: Chosen,
    rate: Annotated[
        float, typer.Option(metavar="PER_SECOND", min=0.1, max=1000, callback=finite, help="How fast they go out.")
    ] = 20.0,
    force: Annotated[bool, typer.Option("--force", help="Also what was replayed too often or is too old.")] = False,
) -> None:
    """Send messages back to the queues that they came from. What took effect already does nothing again."""
    _carry_out(session, "replay", order, chosen, rate_per_s=rate, force=force)


@app.command()
@calling
def edit(
    session: Session,
    id: Id,
    why: Why,
    body: Annotated[str, typer.Option("--body", metavar="FILE", help="The new body; - for standard input.")],
    service: Service = None,
) -> None:
    """Put a new body beside the old one, for the next replay. Masked addresses may stay as `show --body` gave them."""
    text = _read(body)
    name, _ = _found(session, id, service)
    changed = session.client.call(name, "edit_dead_letter", id=id, body=text, why=why)
    if session.output.as_json:
        session.output.json({"service": name, **changed})
    else:
        session.output.line(f"edited {id} of {name}: now replay it")


@app.command()
@calling
def discard(session: Session, order: Order, chosen: Chosen) -> None:
    """Mark messages as done with. They stay to be looked at (`list --state discarded`) for a year."""
    _carry_out(session, "discard", order, chosen)


def _carry_out(session: Session, verb: str, order: Order, chosen: Chosen, **more: Any) -> None:
    """Ask each service, page by page, and tell what became of each; status 1 where something was refused."""
    method, done, filter = f"{verb}_dead_letters", f"{verb}ed", chosen.filter()
    if bool(order.ids) == bool(filter or order.everything):
        raise typer.BadParameter("give either ids, or a filter, or --all")
    asked = {"why": order.why, "dry_run": order.dry_run, **more}
    if order.ids:
        ask = functools.partial(session.client.call, **asked)
        outcomes = list(_by_ids(ask, method, _services(chosen.service), order.ids, done))
    else:
        pages = _pages(session, method, chosen, filter=filter, **asked)
        outcomes = [row for service, answer in pages for row in _rows(service, answer, done)]
    if session.output.as_json:
        session.output.json({"dry_run": order.dry_run, "outcomes": outcomes})
    elif outcomes:
        session.output.table(f"{verb}{' (dry run)' if order.dry_run else ''}", outcomes)
    else:
        session.output.line("nothing parked fits", style="dim")
    if any(row["outcome"] != done for row in outcomes):
        raise typer.Exit(1)


def _by_ids(
    ask: Callable[..., Any], method: str, services: tuple[str, ...], ids: list[str], done: str
) -> Iterator[dict[str, Any]]:
    """Each service in turn gets the ids that the ones before did not know."""
    left = list(dict.fromkeys(ids))
    for service in services:
        asking, left = left, []
        while asking:
            now, asking = asking[:PAGE], asking[PAGE:]
            answer = ask(service, method, ids=now)
            unknown = {refused["id"] for refused in answer["refused"] if refused["code"] == "not_found"}
            later = [refused["id"] for refused in answer["refused"] if refused["code"] == "batch_full"]
            left += [id for id in now if id in unknown]
            asking = [*later, *asking]
            yield from (row for row in _rows(service, answer, done) if row["id"] not in {*unknown, *later})
    yield from ({"id": id, "service": None, "outcome": "not_found", "message": "No service has it."} for id in left)


def _pages(session: Session, method: str, chosen: Chosen, **asked: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each service's answers, page by page, until they have told of as many dead letters as were asked for."""
    for service in _services(chosen.service):
        left, after = chosen.limit, dict[str, Any]()
        while left is None or left > 0:
            page = session.client.call(service, method, limit=min(PAGE, left or PAGE), **asked, **after)
            yield service, page
            left = left and left - sum(len(part) for part in page.values() if isinstance(part, list))
            after = {"after": page["next"]}
            if not page["next"]:
                break


def _rows(service: str, answer: dict[str, Any], done: str) -> list[dict[str, Any]]:
    carried_out = [{"id": id, "outcome": done, "message": None} for id in answer[done]]
    refused = [{"id": r["id"], "outcome": r["code"], "message": r["message"]} for r in answer["refused"]]
    return [{"service": service, **row} for row in carried_out + refused]


def _found(session: Session, id: str, service: str | None) -> tuple[str, dict[str, Any]]:
    for name in _services(service):
        try:
            return name, session.client.call(name, "get_dead_letter", id=id)
        except NotFound:
            continue
    raise NotFound(f"There is no dead letter {id}.")


def _show(output: Output, service: str, found: dict[str, Any]) -> None:
    apart = ("id", "body", "edited_body", "headers", "properties", "actions", "obstacle")
    facts = {"service": service, **{name: value for name, value in found.items() if name not in apart}}
    if found["obstacle"]:
        facts["cannot be replayed"] = f"{found['obstacle']['code']}: {found['obstacle']['message']}"
    output.facts(f"dead letter {found['id']}", facts)
    for part in ("properties", "headers", "body", "edited_body"):
        if found[part]:
            output.line(part, style="bold")
            content = found[part]
            output.block(content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False))
    output.table("history", found["actions"], ("at", "action", "who", "why", "what"))


def _services(service: str | None) -> tuple[str, ...]:
    if service is not None and service not in SERVICES:
        raise typer.BadParameter(f"--service is one of {', '.join(SERVICES)}")
    return (service,) if service else SERVICES


def _read(path: str) -> str:
    try:
        return text_of(sys.stdin.buffer.read(), "what came in") if path == "-" else read_text(pathlib.Path(path))
    except Unreadable as error:
        raise typer.BadParameter(f"--body: {error}") from None
