"""Looks at the system from outside: what became of messages, what is stored, who lives, what was logged."""

import datetime
import re
import urllib.request
from collections import Counter
from typing import Any

import psutil
from corpus.entrances import RPC, Entrance
from pymongo import MongoClient

from touchstone_contracts.bookkeeping import DEAD_LETTERS
from touchstone_devkit.system.runner import SERVICES, System

_OUTCOME = re.compile(r'outcome="([^"]*)".*\} (\S+)')
_OWN_BOOKS = {"dead_letters", "dead_letter_parts", "event_counts", "handled_counts", "heartbeats", "starts"}
"""The first two grow with what is refused; that is what they are for. The next three count good events, when they may;
`starts` counts what the broker hands out again, as when a connection was lost under load."""


class Watcher:
    """Counts, and changes nothing. Closes its connection at the end of the block."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(system.mongo_uri)

    def handled(self, entrance: Entrance) -> Counter[str]:
        """How often a message of this entrance's queue, or a call of this method, came to each outcome so far."""
        name, label = ("touchstone_rpc_requests_total", "method")
        if entrance.kind != RPC:
            name, label = ("touchstone_messages_handled_total", "queue")
        wanted = entrance.name if entrance.kind == RPC else entrance.queue
        return self._counted(entrance.service, name, f'{label}="{wanted}"')

    def parked(self, entrance: Entrance, since: datetime.datetime) -> list[str]:
        """Why messages of the entrance's queue were parked since then, latest last.

        With those of which nobody can tell the queue any more, since their properties cannot be read.
        """
        letters = self._mongo[self._system.database(entrance.service)][DEAD_LETTERS]
        wanted = {"queue": {"$in": [entrance.queue, None]}, "actions": {"$elemMatch": {"at": {"$gte": since}}}}
        found = letters.find(wanted, {"actions": 1})
        actions = [action for letter in found for action in letter["actions"] if action["action"] == "parked"]
        return [action["why"] for action in sorted(actions, key=lambda a: a["at"]) if _aware(action["at"]) >= since]

    def kept(self, service: str, digest: str) -> str | None:
        """Why the dead letter with this body (its SHA-256) was parked; None when the service keeps none."""
        letters = self._mongo[self._system.database(service)][DEAD_LETTERS]
        found = letters.find_one({"digest": digest}, {"reason": 1})
        return str(found["reason"]) if found else None

    def contents(self) -> dict[str, int]:
        """How many documents each collection of each service holds."""
        counts = {}
        for service in SERVICES:
            database = self._mongo[self._system.database(service)]
            names = sorted(set(database.list_collection_names()) - _OWN_BOOKS)
            counted = [[{"$count": "count"}, {"$set": {"name": f"{service}.{name}"}}] for name in names]
            others = [{"$unionWith": {"coll": n, "pipeline": p}} for n, p in zip(names[1:], counted[1:], strict=True)]
            counts |= {found["name"]: found["count"] for found in database[names[0]].aggregate([*counted[0], *others])}
        return counts

    def lives(self) -> dict[str, tuple[int, int]]:
        """The process of each service, and how often it was started again."""
        return {s: (self._system.processes[s].pid, self._system.processes[s].restarts) for s in SERVICES}

    def memory_mb(self) -> dict[str, int]:
        """What each service holds in memory (resident)."""
        pids = {service: self._system.processes[service].pid for service in SERVICES}
        return {service: psutil.Process(pid).memory_info().rss // 2**20 for service, pid in pids.items()}

    def logged(self, text: str) -> list[str]:
        """The lines of all logs that hold `text`."""
        files = self._system.log_folder.glob("*.log")
        return [line for file in files for line in file.read_text(errors="replace").splitlines() if text in line]

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._mongo.close()

    def _counted(self, service: str, name: str, label: str) -> Counter[str]:
        """A counter's values by outcome. A parser for all that Prometheus may say takes far longer than the message."""
        with urllib.request.urlopen(f"{self._system.http_uris[service]}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [_OUTCOME.search(line) for line in lines if line.startswith(name) and label in line]
        return Counter({match[1]: int(float(match[2])) for match in found if match})


def _aware(moment: datetime.datetime) -> datetime.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
