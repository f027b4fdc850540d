"""Calls `assessment.list_standards` with nameko's standalone client, as its documentation shows it."""

import os
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

from kombu.pools import set_limit  # noqa: E402
from nameko.standalone.rpc import ServiceRpcClient  # noqa: E402

set_limit(1_000)  # kombu's pool, 10 by default, is shared by all threads


class Client:
    def __init__(self, amqp_uri: str) -> None:
        token = Path(os.environ["BENCH_TOKENS"]).read_text().strip()
        self._rpc = ServiceRpcClient("assessment", context_data={"authorization": token}, uri=amqp_uri)
        self._service = self._rpc.start()
        self.submit({}, "")  # connects

    def submit(self, report: dict[str, Any], token: str) -> str:
        assert self._service.list_standards()["items"]
        return ""

    def close(self) -> None:
        self._rpc.stop()
