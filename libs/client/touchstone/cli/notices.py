"""`touchstone notices`: what did not go out to somebody, sent again."""

from typing import Annotated, Any

import typer

from touchstone.cli.context import Session, calling
from touchstone.rpc.fan_out import pages

app = typer.Typer(help="Notices that did not go out: send them again (registrar, operator).", no_args_is_help=True)
_COLUMNS = ("notice_id", "type", "contact_id", "address", "state", "reply_code", "last_error")


@app.callback()
def notices() -> None:
    """Notices that did not go out: send them again (registrar, operator)."""


@app.command("send-again")
@calling
def send_again(
    session: Session,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[NOTICE]...", help="By their ids.")] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="CONTACT", help="All that did not go out to this contact.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="With a single NOTICE: the same key is carried out once.")
    ] = None,
) -> None:
    """Have notices sent from the first try on: refused ones, given up ones, and by its id one that was sent, too.

    Repeating it is safe: what is about to be sent is left alone. After an address was mended it is not needed.
    """
    if bool(ids) == bool(contact) or (idempotency_key and len(ids or ()) != 1):
        raise typer.BadParameter("give ids or --contact; --idempotency-key goes with a single id")

    def ask(**asked: Any) -> Any:
        return session.client.call("notification", "send_notices_again", **asked)

    if contact:
        answers = list(pages(ask, contact_id=contact))
    else:
        answers = [ask(notice_id=id, idempotency_key=idempotency_key) for id in ids or ()]
    found = [notice for answer in answers for notice in answer["items"]]
    if session.output.as_json:
        session.output.json(found)
    elif found:
        session.output.table(f"to be sent again: {len(found)}", found, _COLUMNS)
    else:
        session.output.line("nothing did not go out", style="dim")
