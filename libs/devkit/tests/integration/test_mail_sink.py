import smtplib
import sys
from email.message import EmailMessage
from pathlib import Path

from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess


def test_a_message_that_the_mail_sink_accepted_is_a_file_with_its_recipients_and_its_content(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    (port,) = free_ports(1)
    arguments = ["--port", str(port), "--folder", str(tmp_path / "mail")]
    sink = LocalProcess(
        "mail-sink", [sys.executable, "-m", "touchstone_devkit.system.mail_sink", *arguments], ledger=ledger, port=port
    )
    message = EmailMessage()
    message["Subject"], message["Message-ID"] = "Zertifikat für Müller", "<one@touchstone>"
    message.set_content("Issued.")

    sink.start()
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message, "from@example.org", ["one@example.org", "two@example.org"])
    mails = [path.read_bytes() for path in (tmp_path / "mail").glob("*.eml")]
    sink.stop()
    ledger.close()

    assert len(mails) == 1
    assert b"X-Envelope-To: one@example.org, two@example.org" in mails[0]
    assert b"Message-ID: <one@touchstone>" in mails[0]
    assert not sink.is_running()
