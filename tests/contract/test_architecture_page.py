"""The page of the architecture shows the rooms as they are, and who consumes what."""

import re
from importlib.metadata import entry_points
from pathlib import Path

from drawing import rooms

from notification.data.notice_rules import ANNOUNCED
from touchstone_contracts.services import SERVICES

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()


def consumed_in(page: str) -> dict[str, set[str]]:
    """Of each service in the table of processes, what it consumes: event classes and queues."""
    rows = re.findall(r"^\| \[(\w+)\]\(\.\./services/\w+\) \|[^|]*\|([^|]*)\|$", page, re.MULTILINE)
    return {service: set(re.findall(r"`([\w.]+)`", cell)) for service, cell in rows}


def consumed_by(service: str) -> set[str]:
    """Notification's events of the notice rules are told by a link to these."""
    linked = ANNOUNCED if service == "notification" else ()
    (offered,) = entry_points(group="touchstone.services", name=service)
    topology = offered.load().topology
    return {event.__name__ for event in topology.consumes if event not in linked} | set(topology.queues)


def test_the_page_says_what_each_service_consumes() -> None:
    assert consumed_in(PAGE) == {service: consumed_by(service) for service in SERVICES}


def test_an_event_that_the_page_forgets_is_seen() -> None:
    assert consumed_in(PAGE.replace("`AuditAccepted`, ", ""))["certification"] < consumed_by("certification")


def test_the_picture_of_the_rooms_is_what_the_layers_and_docstrings_say() -> None:
    assert rooms.drawn() == rooms.PICTURE.read_text(), "stale: .venv/bin/python tests/contract/drawing/rooms.py"


def test_every_room_says_what_it_is_for() -> None:
    silent = [
        room.name
        for column in rooms.panels()
        for panel in column
        for row in panel.rows
        for room in row
        if not room.words
    ]

    assert silent == []


def test_another_layer_and_other_words_are_seen() -> None:
    room = rooms.Room("outbox", "Publishes & forgets.")

    drawn = rooms.drawn([*rooms.panels()[:3], [rooms.Panel("another", "chassis", [[room]])]])

    assert "Publishes &amp; forgets." in drawn and drawn != rooms.PICTURE.read_text()
    assert ["mongo", "auth", "validation", "pagination"] in rooms.layers("chassis-layers")
