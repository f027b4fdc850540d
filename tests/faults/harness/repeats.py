"""Counts messages that came again although a handler had already carried them out, from the services' own metrics."""

import re
from collections.abc import Iterable

import requests

from touchstone_devkit.system.runner import SERVICES, System

_REPEATED = re.compile(r'^touchstone_messages_handled_total\{[^}]*outcome="repeated"[^}]*\} (\S+)$', re.MULTILINE)


def repeated_in(exposition: str) -> int:
    """The sum over all queues in what `/metrics` of one service says."""
    return int(sum(float(count) for count in _REPEATED.findall(exposition)))


class Repeats:
    """The counters of all processes since it was made. A process that is about to stop must be looked at before."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._first: dict[tuple[str, int], int] = {}
        self._last: dict[tuple[str, int], int] = {}
        self.look()
        self._first = dict(self._last)

    def look(self, services: Iterable[str] = SERVICES) -> None:
        for service in services:
            process = (service, self._system.processes[service].pid)
            try:
                answer = requests.get(f"{self._system.http_uris[service]}/metrics", timeout=5)
            except requests.RequestException:  # it is down: what it counted is lost
                continue
            self._last[process] = repeated_in(answer.text)

    def count(self) -> int:
        """How many there have been, as far as they were seen."""
        self.look()
        return sum(last - self._first.get(process, 0) for process, last in self._last.items())
