"""A real SMTP server as a process of its own, which treats recipients as their names ask for.

`refused@` is refused for good, `later@` for now, `chatty@` at the end of the text, `slow@` gets no answer in time.
Every mail that is taken becomes a line of JSON in the file given: envelope, headers and text.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, file: Path):
        self._file = file

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, _options: Any) -> str:
        name = address.partition("@")[0]
        if name == "refused":
            return f"550 5.1.1 <{address}>: no such person"
        if name == "later":
            return "451 4.3.0 come again"
        if name == "slow":
            await asyncio.sleep(60)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if envelope.rcpt_tos[0].startswith("chatty@"):
            return f"554 5.7.1 mail to <{envelope.rcpt_tos[0]}>\x07 looks like advertising"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": dict(mail.items()),
            "text": mail.get_content(),
            "tls": session.ssl is not None,
            "user": session.auth_data.decode() if session.auth_data else None,
        }
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(taken) + "\n")
        return "250 OK"


def _authenticate(_server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = data.password == b"secret"
    return AuthResult(success=right, handled=False, auth_data=data.login if right else None)


async def serve(options: argparse.Namespace) -> None:
    security: dict[str, Any] = {}
    if options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate)
        security = {"tls_context": context, "require_starttls": True, "authenticator": _authenticate}
        security |= {"auth_required": True}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(options.file), ident="test", **security), "127.0.0.1", options.port
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--certificate", type=Path)
    asyncio.run(serve(parser.parse_args()))
