"""Submits by RPC as in RabbitMQ's tutorial for pika."""

import json
from typing import Any

from pika_peers import PikaRpc


class Client(PikaRpc):
    def submit(self, report: dict[str, Any], token: str) -> str:
        answer = json.loads(self.call("submissions", json.dumps({"report": report, "token": token}).encode()))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["audit_id"]
