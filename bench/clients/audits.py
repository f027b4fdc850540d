"""Submits to Touchstone as a peer's client does to its peer: one RPC client, so one connection, for each submitter."""

from typing import Any

from touchstone.rpc import client

TIMEOUT_S = 120


class Client:
    """The token is given with each report, and changes while a run lasts."""

    def __init__(self, amqp_uri: str) -> None:
        self._token = ""
        self._client = client.Client(amqp_uri, lambda: self._token, timeout_s=TIMEOUT_S, client_name="bench")
        self._client.call("certification", "list_certificates", limit=1)  # connects: else the first report would

    def submit(self, report: dict[str, Any], token: str) -> str:
        self._token = token
        return self._client.call("assessment", "submit_audit_report", report=report)["audit_id"]

    def close(self) -> None:
        self._client.close()
