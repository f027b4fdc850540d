"""Serves `/live`, `/ready` and `/metrics` of one service: live says that the process runs, ready that it can work."""

import datetime
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
import eventlet.wsgi
import pymongo
import structlog
from bson import ObjectId
from eventlet.greenthread import GreenThread
from nameko import config
from nameko.extensions import DependencyProvider, SharedExtension
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from touchstone_chassis.mongo.client import DURABLE, SNAPSHOT, Mongo, is_transient
from touchstone_chassis.observability import metrics

log = structlog.get_logger(__name__)

Check = Callable[[], tuple[bool, str]]
Report = dict[str, Any]

CHECK_TIMEOUT_S = 1.5
DATABASE_TIMEOUT_S = 1.2
CONNECTIONS_MAX = 32
SOCKET_TIMEOUT_S = 5
WRITTEN_EVERY_S = 3.0
ASKED_EVERY_S = 60.0
TRANSACTION_LIFETIME_MAX_S = 5
"""A transaction of a killed process keeps its keys locked for as long as the server lets it live (60 s by default)."""


class Checks(SharedExtension):
    """What a service's readiness depends on: every extension adds its own checks in its setup()."""

    def __init__(self) -> None:
        self._checks: dict[str, _OneAtATime] = {}

    def add(self, name: str, check: Check) -> None:
        """Let readiness depend on `check`, which gives (whether all is well, a sentence for people). It may block,
        in green threads only; one that raises or takes longer than CHECK_TIMEOUT_S counts as failed."""
        self._checks[name] = _OneAtATime(check)

    def run(self, timeout_s: float = CHECK_TIMEOUT_S) -> list[Report]:
        """Every check's name, ok and detail, by name, after `timeout_s` at most."""
        deadline = time.monotonic() + timeout_s
        running = [(name, check.start()) for name, check in sorted(self._checks.items())]
        return [{"name": name, **_outcome(thread, deadline)} for name, thread in running]


class _OneAtATime:
    """A check that hangs is not started a second time: whoever asks waits for the run under way."""

    def __init__(self, check: Check):
        self._check = check
        self._thread: GreenThread | None = None

    def start(self) -> GreenThread:
        if self._thread is None or self._thread.dead:
            self._thread = eventlet.spawn(self._guarded)
        return self._thread

    def _guarded(self) -> tuple[bool, str]:
        try:
            return self._check()
        except (Exception, eventlet.Timeout) as error:
            return False, f"the check failed: {type(error).__name__}"


def _outcome(thread: GreenThread, deadline: float) -> Report:
    ok, detail = False, "no answer in time"
    with eventlet.Timeout(max(deadline - time.monotonic(), 0.001), False):
        ok, detail = thread.wait()
    return {"ok": bool(ok), "detail": detail}


class WritableDatabase:
    """Whether a transaction can be committed by a majority: a write that leaves nothing behind."""

    def __init__(
        self,
        database: Callable[[], Database],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        known_for_s: float = WRITTEN_EVERY_S,
    ):
        """A yes stands for `known_for_s`; 0 for whoever must know how it is now."""
        self._database = database
        self._monotonic, self._known_for_s = monotonic, known_for_s
        self._known: tuple[bool, str] = (False, "not asked yet")
        self._known_until = 0.0

    def __call__(self) -> tuple[bool, str]:
        if self._monotonic() >= self._known_until:
            self._known = self._write()
            self._known_until = self._monotonic() + (self._known_for_s if self._known[0] else 0)
        return self._known

    def _write(self) -> tuple[bool, str]:
        started = self._monotonic()
        database = self._database()
        try:
            with pymongo.timeout(DATABASE_TIMEOUT_S), database.client.start_session() as session:
                session.with_transaction(
                    lambda s: _insert_and_delete(database, s), read_concern=SNAPSHOT, write_concern=DURABLE
                )
        except PyMongoError as error:
            return False, f"no transaction could be committed: {type(error).__name__}"
        return True, f"committed in {(self._monotonic() - started) * 1000:.0f} ms"


def _insert_and_delete(database: Database, session: ClientSession) -> None:
    """Under an id of its own, so that replicas which ask at the same time do not clash."""
    own_id = ObjectId()
    database["readiness"].insert_one({"_id": own_id, "at": datetime.datetime.now(datetime.UTC)}, session=session)
    database["readiness"].delete_one({"_id": own_id}, session=session)


class TransactionLifetime:
    """Warns where the database lets transactions live long; never a reason not to be ready."""

    def __init__(self, client: Callable[[], MongoClient], monotonic: Callable[[], float] = time.monotonic):
        self._client = client
        self._monotonic = monotonic
        self._detail = "unknown"
        self._known_until = 0.0

    def __call__(self) -> tuple[bool, str]:
        if self._monotonic() >= self._known_until:
            self._detail = self._ask()
            self._known_until = self._monotonic() + ASKED_EVERY_S
        return True, self._detail

    def _ask(self) -> str:
        try:
            with pymongo.timeout(DATABASE_TIMEOUT_S):
                answer = self._client().admin.command("getParameter", 1, transactionLifetimeLimitSeconds=1)
        except PyMongoError as error:
            denied = isinstance(error, OperationFailure) and not is_transient(error)
            return f"unknown: {'not allowed to ask' if denied else type(error).__name__}"
        lifetime_s = answer["transactionLifetimeLimitSeconds"]
        if lifetime_s <= TRANSACTION_LIFETIME_MAX_S:
            return f"{lifetime_s} s"
        log.warning("transaction_lifetime_too_long", lifetime_s=lifetime_s, lifetime_max_s=TRANSACTION_LIFETIME_MAX_S)
        return (
            f"WARNING: transactionLifetimeLimitSeconds is {lifetime_s}, longer than {TRANSACTION_LIFETIME_MAX_S}: "
            "after a crash its documents stay locked for that long"
        )


class Health(DependencyProvider):
    """The service's HTTP port. `/live` answers from the first moment of the start, `/ready` only after it."""

    checks = Checks()
    mongo = Mongo()

    def __init__(self) -> None:
        self._started = False
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
            self.respond,
            max_size=CONNECTIONS_MAX,
            socket_timeout=SOCKET_TIMEOUT_S,
            keepalive=False,
            log_output=False,
            debug=False,
        )

    def respond(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The WSGI application."""
        routes = {"/live": self._live, "/ready": self._ready, "/metrics": self._metrics}
        route = routes.get(environ["PATH_INFO"])
        if route is None:
            status, kind, body = _json("404 Not Found", {"error": "not found"})
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, kind, body = _json("405 Method Not Allowed", {"error": "only GET and HEAD"})
        else:
            status, kind, body = route()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, [*headers, ("Allow", "GET, HEAD")] if status.startswith("405") else headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _live(self) -> tuple[str, str, bytes]:
        return _json("200 OK", {"live": True, "service": self.container.service_name})

    def _ready(self) -> tuple[str, str, bytes]:
        reports = self.checks.run() if self._started else [{"name": "started", "ok": False, "detail": "starting"}]
        ready = all(report["ok"] for report in reports)
        content = {"ready": ready, "service": self.container.service_name, "checks": reports}
        return _json("200 OK" if ready else "503 Service Unavailable", content)

    def _metrics(self) -> tuple[str, str, bytes]:
        return "200 OK", metrics.CONTENT_TYPE, metrics.exposition()


def _json(status: str, content: dict[str, Any]) -> tuple[str, str, bytes]:
    return status, "application/json", json.dumps(content).encode()
