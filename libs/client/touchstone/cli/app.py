"""The command line `touchstone`: for people at a terminal, and with `--json` for scripts."""

import io
import logging
import pathlib
import sys
import time
from typing import Annotated, Any

import typer
from rich.progress import track

from touchstone.auth import keys, tokens
from touchstone.cases import submission
from touchstone.cases.case_file import case_file
from touchstone.cli import backfill, backup, cases, dead_letters, notices, provision, reconcile, reference
from touchstone.cli.case_views import show_case_file
from touchstone.cli.context import (
    ANSWER_IS_NO,
    AmqpUri,
    Offline,
    Session,
    Signing,
    call_s,
    calling,
    event_keys_path,
    finite,
    jwks_path,
    required,
)
from touchstone.cli.render import error_object
from touchstone.cli.watch_view import show_events
from touchstone.reading import Unreadable, json_of, read_text
from touchstone.rpc.client import MalformedReply, NoAnswer
from touchstone_contracts.errors import Refusal
from touchstone_contracts.roles import MEMBER_OF_KEY, PARTY_OF_KEY
from touchstone_contracts.services import SERVICES

app = typer.Typer(
    name="touchstone",
    help="Touchstone: hand in audit reports, follow their cases, read the register, operate the system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="Make and list the keys by which callers' tokens are signed.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(cases.app, name="cases")
app.add_typer(notices.app, name="notices")
app.add_typer(reference.app, name="reference")
app.command(name="case")(cases.case)
app.command(name="reconcile")(reconcile.command)
app.command("backfill")(backfill.command)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("provision")(provision.provision)

Audit = Annotated[str, typer.Argument(metavar="AUDIT", help="The audit's id.")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="A certificate's number.")]
IdempotencyKey = Annotated[
    str | None, typer.Option("--idempotency-key", help="Repeat a command safely: the same key is carried out once.")
]


@app.command()
@calling
def submit(
    session: Session,
    files: Annotated[list[pathlib.Path], typer.Argument(help="Audit reports as JSON.", metavar="FILE...")],
    as_import: Annotated[bool, typer.Option("--import", help="Enter a past certification (registrar).")] = False,
    history: Annotated[pathlib.Path | None, typer.Option(help="History for --import, if not in FILE.")] = None,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Hand in audit reports (assessor), or enter past certifications with --import (registrar).

    The same content is taken once, however often it is sent: its idempotency key comes from it.
    """
    if len(files) > 1 and (history or idempotency_key):
        raise typer.BadParameter("--history and --idempotency-key go with a single FILE")
    at_terminal = session.output.err.is_terminal
    turns = track(files, "submitting", console=session.output.err, transient=True) if at_terminal else files
    results = [_submitted(session, path, history, as_import=as_import, key=idempotency_key) for path in turns]
    if session.output.as_json:
        session.output.json(results)
    elif taken := [result for result in results if "error" not in result]:
        session.output.table("submitted", taken, ["file", "audit_id", "state"])
        for result in taken:
            for word in result.get("waits_for") or ():  # assessment of 0.1 says nothing of it
                session.output.line(f"{result['audit_id']} waits for {word['who']}: {word['what']} ({word['target']})")
    if any("error" in result for result in results):
        raise typer.Exit(1)


def _submitted(
    session: Session, path: pathlib.Path, history: pathlib.Path | None, *, as_import: bool, key: str | None
) -> dict[str, Any]:
    """What became of one file; a refusal is told at once, and the next file has its turn."""
    try:
        read = submission.read(path, history)
        idempotency_key = key or read.idempotency_key()
        arguments: dict[str, Any] = {"report": read.report}
        if not as_import:
            method = "submit_audit_report"
        elif read.history is None:
            raise submission.ReportUnreadable(f"{path} has no `history`: give --history FILE.")
        else:
            method, arguments["history"] = "import_audit_report", read.history
        answer = session.client.call("assessment", method, idempotency_key=idempotency_key, **arguments)
    except (Refusal, NoAnswer, MalformedReply, submission.ReportUnreadable) as failure:
        session.output.failure(failure, subject=str(path))
        return {"file": str(path), "error": error_object(failure)}
    return {"file": str(path), **answer}


@app.command()
@calling
def accept(session: Session, audit: Audit, idempotency_key: IdempotencyKey = None) -> None:
    """Accept a submitted audit report (secretariat)."""
    answer = session.client.assessment.accept_audit_report(audit_id=audit, idempotency_key=idempotency_key)
    session.output.answer(f"accepted {audit}", answer)


@app.command(name="return")
@calling
def return_report(
    session: Session,
    audit: Audit,
    reason: Annotated[list[str], typer.Option("--reason", help="What to correct; may be given again.")],
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Return a submitted audit report to the body for correction (secretariat)."""
    answer = session.client.assessment.return_audit_report(
        audit_id=audit, reasons=reason, idempotency_key=idempotency_key
    )
    session.output.answer(f"returned {audit}", answer)


@app.command()
@calling
def status(
    session: Session, case: Annotated[str, typer.Argument(metavar="CASE", help="The case's id, which is the audit's.")]
) -> None:
    """Show a case whole: audit, decision, certificate, notices."""
    found = case_file(session.client, case)
    if session.output.as_json:
        session.output.json(found)
    else:
        show_case_file(session.output, case, found)


@app.command()
@calling
def certificate(session: Session, number: Number) -> None:
    """Show a certificate of the public register."""
    answer = session.client.certification.get_certificate(number=number)
    session.output.answer(f"certificate {number}", answer)


@app.command()
@calling
def verify(
    session: Session,
    number: Number,
    on: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Date to verify for; default: today.")] = None,
) -> None:
    """Verify a certificate: exit status 0 when it is valid on that date, 3 when it is not."""
    answer = session.client.certification.verify_certificate(number=number, **({"on": on} if on else {}))
    session.output.answer(f"certificate {number}", answer)
    if answer.get("valid") is not True:
        raise typer.Exit(ANSWER_IS_NO)


@app.command()
@calling
def call(
    session: Session,
    service: Annotated[str, typer.Argument(metavar="SERVICE")],
    method: Annotated[str, typer.Argument(metavar="METHOD")],
    args: Annotated[str, typer.Option("--args", help="Arguments as a JSON object, or @FILE.")] = "{}",
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Call any method of any service, and print its answer as JSON."""
    arguments = _json_object(args)
    key = arguments.pop("idempotency_key", None) or idempotency_key
    timeout_s = call_s(arguments.pop("timeout_s")) if "timeout_s" in arguments else None
    answer = session.client.call(service, method, timeout_s=timeout_s, idempotency_key=key, **arguments)
    session.output.json(answer)


def _json_object(text: str) -> dict[str, Any]:
    try:
        is_file = text.startswith("@")
        content = json_of(read_text(pathlib.Path(text[1:])), text[1:]) if is_file else json_of(text, "it")
    except Unreadable as error:
        raise typer.BadParameter(f"--args: {error}") from None
    if not isinstance(content, dict):
        raise typer.BadParameter("--args is no JSON object")
    return content


@app.command()
@calling
def watch(
    session: Offline,
    amqp_uri: AmqpUri = None,
    until_idle: Annotated[
        float | None, typer.Option(metavar="SECONDS", callback=finite, help="End after so long without any.")
    ] = None,
) -> None:
    """Follow the events of all services as they happen, until ctrl-c. With --json one event a line."""
    broker = required(amqp_uri, "--amqp-uri", "TOUCHSTONE_AMQP_URI")
    show_events(session.output, broker, until_idle_s=until_idle)


@app.command()
@calling
def token(
    session: Offline,
    signing: Signing,
    audience: Annotated[str, typer.Option(help="Who it is for.")] = tokens.AUDIENCE,
    life: Annotated[int, typer.Option(metavar="SECONDS", help="At most 300.")] = tokens.LIFE_S_MAX,
) -> None:
    """Sign a token with an issuer's private key, and print it alone."""
    sign = signing.signer(signing.key or _private_path(keys.DEFAULT_ISSUER), audience=audience, life_s=life)
    signed, holder = sign(), signing.caller
    if session.as_json:
        expires_at = int(time.time()) + life
        session.output.json({"token": signed, "subject": holder, "role": signing.role, "expires_at": expires_at})
    else:
        print(signed)


@keys_app.command("init")
@calling
def keys_init(
    session: Offline,
    issuer: Annotated[str, typer.Option(help="Who signs with this key.")] = keys.DEFAULT_ISSUER,
    private: Annotated[pathlib.Path | None, typer.Option(help="New file for the private key.")] = None,
    jwks: Annotated[pathlib.Path | None, typer.Option(help="Services' public keys; the new one is added.")] = None,
    roles: Annotated[
        str | None, typer.Option(metavar="ROLE[,ROLE]", help="The only roles in which it may sign; default: all.")
    ] = None,
    body: Annotated[
        str | None, typer.Option(metavar="BODY", help="The only certification body for which it may sign.")
    ] = None,
    member: Annotated[str | None, typer.Option(metavar="MEMBER", help="The only member for which it may sign.")] = None,
    service: Annotated[
        str | None,
        typer.Option(metavar="SERVICE", help="Not an issuer's: the key with which this service signs events."),
    ] = None,
) -> None:
    """Make a key pair, an issuer's or a service's. The private key must stand where git cannot pick it up."""
    if service is not None:
        if service not in SERVICES:
            raise keys.KeyUnusable(f"There is no service {service!r}: {', '.join(SERVICES)}.")
        made = keys.init_service(service, private or _private_path(f"{service}.events"), jwks or event_keys_path())
    else:
        named = None if roles is None else [role.strip() for role in roles.split(",")]
        parties = [(claim, id) for claim, id in (("cab", body), ("member", member)) if id is not None]
        if len(parties) > 1:
            raise keys.KeyUnusable("A key is for one party: name a body, or a member.")
        party = parties[0] if parties else None
        made = keys.init(issuer, private or _private_path(issuer), jwks or jwks_path(), roles=named, party=party)
    shown = {"issuer": made.issuer, "kid": made.kid, "private": str(made.private_path), "jwks": str(made.jwks_path)}
    session.output.answer("made a key pair", shown)


@keys_app.command("list")
@calling
def keys_list(session: Offline, jwks: Annotated[pathlib.Path | None, typer.Option()] = None) -> None:
    """List the public keys that services accept."""
    path = jwks or jwks_path()
    shown = [
        {name: key.get(name) for name in ("kid", "iss", "kty", "crv")}
        | {"roles": ", ".join(key.get(MEMBER_OF_KEY) or ["all"])}
        | {"party": " ".join(next(iter(key.get(PARTY_OF_KEY, {}).items()), ("all",)))}
        for key in keys.public_keys(path)
    ]
    if session.as_json:
        session.output.json(shown)
    else:
        session.output.table(str(path), shown)


def _private_path(issuer: str) -> pathlib.Path:
    return keys.default_directory() / f"{issuer}.key.json"


def main() -> None:
    """The console script. What the terminal's encoding lacks is escaped: no answer is lost by it.

    pika's own log lines would say again, less clearly, what a command says itself.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error is from the start
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    app()


if __name__ == "__main__":
    main()
