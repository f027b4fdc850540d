"""Calls `assessment.list_standards` with our own client; a report is of no use to it."""

from typing import Any

import audits


class Client(audits.Client):
    def submit(self, report: dict[str, Any], token: str) -> str:
        self._token = token
        assert self._client.call("assessment", "list_standards")["items"]
        return ""
