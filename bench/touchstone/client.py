"""Submits to Touchstone as a peer's client does to its peer: one RPC client, so one connection, for each submitter."""

from typing import Any

from touchstone.rpc.client import Client

TIMEOUT_S = 120


class Submitter:
    """The token is given with each report, and changes while a run lasts."""

    def __init__(self, amqp_uri: str) -> None:
        self._token = ""
        self._client = Client(amqp_uri, lambda: self._token, timeout_s=TIMEOUT_S, client_name="bench")

    def open(self) -> "Submitter":
        """Connects: the client itself would do so with its first call."""
        self._client.call("certification", "list_certificates", limit=1)
        return self

    def submit(self, report: dict[str, Any], token: str) -> str:
        self._token = token
        receipt = self._client.call("assessment", "submit_audit_report", report=report)
        audit_id: str = receipt["audit_id"]
        return audit_id

    def close(self) -> None:
        self._client.close()


def connect(amqp_uri: str) -> Submitter:
    return Submitter(amqp_uri).open()
