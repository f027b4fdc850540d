"""An audit takes the way that the picture of the data flow shows, and no module beside it."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from walking.counting import table
from walking.describing import described, load, modules
from walking.drawing import CHASSIS, IN, OUT
from walking.running import walk

from touchstone_devkit.backing.choosing import Backing


def by_service(steps: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """Modules of all steps of a service, where they are drawn: when one step ends and the next begins is chance."""
    found: dict[str, set[str]] = {}
    for step in steps:
        places = (f"{step['service']}.", *(f"{CHASSIS}{package}" for package in (*IN, *OUT)))
        found.setdefault(step["service"], set()).update(m for m in modules(step) if m.startswith(places))
    return found


@pytest.mark.long
def test_an_audit_takes_the_way_of_the_picture(backing: Backing, say: Callable[[str], None]) -> None:
    steps = walk(say, backing=backing)

    walked, drawn = described(steps), load()
    say(table(steps))
    happened = ("step", "transactions", "published", "scheduled")
    assert [{what: step[what] for what in happened} for step in walked] == [
        {what: step[what] for what in happened} for step in drawn
    ]
    assert by_service(walked) == by_service(drawn), "draw it again: .venv/bin/python tests/flow --draw"
