"""`touchstone reference`: what the services decide by, published as versions, listed and shown."""

import dataclasses
import pathlib
from typing import Annotated, Any

import typer

from touchstone.cli.context import ANSWER_IS_NO, Session, calling, told
from touchstone.reading import Unreadable, json_of, read_text
from touchstone.rpc.fan_out import pages
from touchstone_contracts.reference import canonical, hash_of

app = typer.Typer(help="Reference data: publish a version, list and show what was published.", no_args_is_help=True)
_COLUMNS = ("kind", "id", "version", "effective_from", "hash", "published_by", "title")


@dataclasses.dataclass(frozen=True)
class Kind:
    """Whose a kind of reference data is, how its methods are called, and whether there is more than one of it."""

    service: str
    publish: str
    get: str
    list: str
    has_ids: bool


KINDS = {
    "obligations": Kind("membership", "publish_obligations", "get_obligations", "list_obligations", has_ids=False),
    "rule_set": Kind("certification", "publish_rule_set", "get_rule_set", "list_rule_sets", has_ids=False),
    "standard": Kind(
        "assessment", "publish_standard", "get_published_standard", "list_published_standards", has_ids=True
    ),
}
"""By the `kind` that stands in the document."""


def known_kind(kind: Any) -> Kind:
    """A usage error for a kind that no service publishes."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise typer.BadParameter(f"the kind is {kind!r}: there is {', '.join(KINDS)}")
    return KINDS[kind]


KindName = Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}.")]


@app.callback()
def reference() -> None:
    """Reference data: publish a version, list and show what was published."""


@app.command()
@calling
def publish(
    session: Session,
    file: Annotated[pathlib.Path, typer.Argument(metavar="FILE", help="The version as JSON; it names its kind.")],
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Repeat a command safely: the same key is carried out once.")
    ] = None,
) -> None:
    """Publish a version, effective from a day that is still to come (secretariat).

    Repeating it is safe: the same content is answered as it was published, another one under its version is refused.
    """
    with told(session.output, Unreadable):
        document = json_of(read_text(file), str(file))
    kind = known_kind(document.get("kind") if isinstance(document, dict) else None)
    answer = session.client.call(kind.service, kind.publish, idempotency_key=idempotency_key, document=document)
    session.output.answer(f"published {answer.get('id')} {answer.get('version')}", answer)


@app.command("list")
@calling
def list_published(
    session: Session, kind: Annotated[str | None, typer.Option(help="Of this kind only.")] = None
) -> None:
    """List what was published, by version."""
    wanted = {kind: known_kind(kind)} if kind else KINDS
    found = []
    for name, one in wanted.items():

        def ask(one: Kind = one, **asked: Any) -> Any:
            return session.client.call(one.service, one.list, **asked)

        found += [{"kind": name, **item} for answer in pages(ask) for item in answer["items"]]
    if session.output.as_json:
        session.output.json(found)
    else:
        session.output.table("published", found, _COLUMNS)


@app.command()
@calling
def show(
    session: Session,
    kind: KindName,
    id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of a standard: code and version, as PS-3.0.")
    ] = None,
    version: Annotated[int | None, typer.Option(help="By its version.")] = None,
    on: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="What is effective then; default: today.")
    ] = None,
) -> None:
    """Show a version whole. Exit status 3 when what was sent does not have the hash that it is said to have."""
    if version is not None and on is not None:
        raise typer.BadParameter("give --version or --on")
    named = known_kind(kind)
    if (id is not None) != named.has_ids:
        raise typer.BadParameter(f"a {kind} is shown {'by its ID' if named.has_ids else 'without an ID'}")
    given: dict[str, Any] = {"id": id, "version": version, "on": on}
    asked = {name: value for name, value in given.items() if value is not None}
    answer = session.client.call(named.service, named.get, **asked)
    agrees = hash_of(canonical(answer["document"])) == answer["hash"]
    session.output.answer(f"{answer['id']} {answer['version']}", answer | {"hash_agrees": agrees})
    if not agrees:
        raise typer.Exit(ANSWER_IS_NO)
