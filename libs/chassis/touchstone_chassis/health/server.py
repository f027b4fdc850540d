"""Serves `/live`, `/ready` and `/metrics` of one service: live says that the process runs, ready that it can work."""

from typing import Any

import eventlet
import eventlet.wsgi
import structlog
from eventlet.greenthread import GreenThread
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.health.checks import Checks
from touchstone_chassis.health.database import TransactionLifetime, WritableDatabase
from touchstone_chassis.http.routes import Response, Routes, json_response
from touchstone_chassis.mongo.client import Mongo
from touchstone_chassis.observability import metrics

log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 32
SOCKET_TIMEOUT_S = 5


class Health(DependencyProvider):
    """The service's HTTP port. `/live` answers from the first moment of the start, `/ready` only after it."""

    checks = Checks()
    mongo = Mongo()

    def __init__(self) -> None:
        self._started = False
        self.application = Routes({"/live": self._live, "/ready": self._ready, "/metrics": self._metrics})
        self._listener: Any = None
        self._server: GreenThread | None = None
        self.port = 0

    def setup(self) -> None:
        self.checks.add("database", WritableDatabase(lambda: self.mongo.database))
        self.checks.add("transaction_lifetime", TransactionLifetime(lambda: self.mongo.client))
        address = (config["http_host"], config["http_port"])
        # SO_REUSEPORT, which eventlet sets by itself, would let two services share one port without a word
        self._listener = eventlet.listen(address, reuse_port=False)
        self.port = self._listener.getsockname()[1]
        self._server = self.container.spawn_managed_thread(self._serve, identifier="health")
        log.info("health_served", host=config["http_host"], port=self.port)

    def start(self) -> None:
        self._started = True

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                self._serve_once()
            except OSError as error:  # too many open files, say: the service itself may go on
                log.warning("health_interrupted", error=type(error).__name__)
            eventlet.sleep(1)

    def _serve_once(self) -> None:
        eventlet.wsgi.server(
            self._listener.dup(),  # the server closes what it was given
            self.application,
            max_size=CONNECTIONS_MAX,
            socket_timeout=SOCKET_TIMEOUT_S,
            keepalive=False,
            log_output=False,
            debug=False,
        )

    def _live(self) -> Response:
        return json_response("200 OK", {"live": True, "service": self.container.service_name})

    def _ready(self) -> Response:
        reports = self.checks.run() if self._started else [{"name": "started", "ok": False, "detail": "starting"}]
        ready = all(report["ok"] for report in reports)
        content = {"ready": ready, "service": self.container.service_name, "checks": reports}
        return json_response("200 OK" if ready else "503 Service Unavailable", content)

    def _metrics(self) -> Response:
        return Response("200 OK", metrics.CONTENT_TYPE, metrics.exposition())
