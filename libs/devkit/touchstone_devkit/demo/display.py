"""Shows each case on its way through the four services, a line for each step, and at the end what became of all."""

import time
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from touchstone_devkit.demo.cases import Case
from touchstone_devkit.demo.outcome import Outcome

_COLOURS = {"issued": "green", "refused": "red", "held": "yellow", "not": "magenta", "suspended": "red"}


class Progress:
    """Call `update()` whenever something may have changed; cheap when nothing has."""

    def __init__(self, console: Console, story: Mapping[str, tuple[Case, Outcome]]) -> None:
        self._console = console
        self._story = story
        self._shown: dict[tuple[str, str], str] = {}
        self._begun_at = time.monotonic()

    def update(self) -> None:
        """Show what is new."""
        for title, (_, outcome) in self._story.items():
            for service, word in outcome.stages().items():
                if word and self._shown.get((title, service)) != word:
                    self._shown[(title, service)] = word
                    line = f"{time.monotonic() - self._begun_at:7.2f} s  {escape(title)}: {service}: {_coloured(word)}"
                    self._console.print(line, soft_wrap=True)


def results(story: Mapping[str, tuple[Case, Outcome]]) -> Table:
    """The closing table: what became of each case."""
    table = Table(title="What became of each case", title_justify="left")
    table.add_column("case")
    table.add_column("decision and why", ratio=1)
    for heading in ("certificate", "valid", "notices", "ms"):
        table.add_column(heading, justify="right" if heading != "valid" else "left", no_wrap=heading != "valid")
    for title, (case, outcome) in story.items():
        table.add_row(title, *_result(case, outcome))
    return table


def _result(case: Case, outcome: Outcome) -> tuple[str, str, str, str, str]:
    if outcome.problems is not None:
        faults = escape("\n".join(f"{p['path']}: {p['message']}" for p in outcome.problems))
        return f"{_coloured('not taken')} at submission\n{faults}", "", "", "0", ""
    decision, latency_ms = outcome.decision, outcome.latency_ms
    if decision is None:
        return "none", "", "", str(len(outcome.notices)), ""
    level = f"({decision['level']})" if "level" in decision else ""
    return (
        f"{_coloured(decision['outcome'])} {level}\n{_why(outcome)}{_made_up(case)}",
        str(decision.get("number", "")),
        _validity(decision),
        str(len(outcome.notices)),
        "" if latency_ms is None else f"{latency_ms:.0f}",
    )


def _why(outcome: Outcome) -> str:
    """The reasons that the case gives, which for a certificate are not in the event."""
    told = (outcome.case or outcome.decision or {}).get("reasons", [])
    return escape("; ".join(f"row {reason['rule']}: {reason['text']}" for reason in told))


def _made_up(case: Case) -> str:
    """Says what of a real certificate is this register's own, since its source does not tell."""
    return f"\nnot published, so of our own making: {', '.join(case.unpublished)}" if case.unpublished else ""


def _validity(decision: dict) -> str:
    if "issued_on" in decision:
        return f"{decision['issued_on']} to {decision['expires_on']}"
    return f"until {decision['until']}" if decision.get("until") else ""


def _coloured(word: str) -> str:
    colour = _COLOURS.get(word.split(" ")[0])
    return f"[{colour}]{word}[/{colour}]" if colour else word
