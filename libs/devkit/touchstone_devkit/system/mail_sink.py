"""An SMTP server that delivers nowhere: every message that it accepts becomes a file `<time>-<random>.eml` in a folder.

What is addressed to `refused@...` it refuses for good.

Needs aiosmtpd and nothing else of this package, so that it runs as a container of its own too:
`python -m touchstone_devkit.system.mail_sink --host 0.0.0.0 --port 1025 --folder /mail`.
"""

import argparse
import asyncio
import contextlib
import secrets
import signal
import time
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

MESSAGE_BYTES_MAX = 10_000_000


class FolderHandler:
    """Says yes to the sender only when the whole message is on disk under its final name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]) -> str:
        if address.startswith("refused@"):
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipients = ", ".join(envelope.rcpt_tos)
        received = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {recipients}\r\n"
        name = f"{time.time_ns()}-{secrets.token_hex(4)}"
        draft = self._folder / f".{name}.part"
        content = envelope.original_content or b""
        draft.write_bytes(received.encode("utf-8", "surrogateescape") + content)
        draft.replace(self._folder / f"{name}.eml")
        return "250 Message accepted"


async def serve(host: str, port: int, folder: Path) -> None:
    """Accepts mail until SIGTERM or SIGINT."""
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(FolderHandler(folder), enable_SMTPUTF8=True, data_size_limit=MESSAGE_BYTES_MAX, ident="mail sink")

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(session, host, port)
    print(f"mail sink listens on {host}:{port} and writes to {folder}", flush=True)
    await ended.wait()
    server.close()


def main(arguments: list[str] | None = None) -> Any:
    """The process: host, port and folder from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1025)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.host, options.port, options.folder))


if __name__ == "__main__":
    main()
