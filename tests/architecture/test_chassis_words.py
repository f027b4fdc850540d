"""The chassis speaks of messages, transactions and processes: not a word of what certifies aluminium is in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone_contracts import roles

CHASSIS = Path(__file__).parents[2] / "libs/chassis/touchstone_chassis"
STEMS = (
    *("accredit", "aluminium", "appeal", "assess", "audit", "certif", "complain", "conform", "criterion", "facilit"),
    *("finding", "mandate", "member", "nonconform", "notice", "organisation", "smelter", "stakeholder"),
)
"""How the domain's words begin."""
OF_CASES = re.compile(r"(^|_)(body|case|certificate|member|entity|plan)_(id|state|number|due)")
NAMED = {"notification", *roles.ALL} - {roles.OPERATOR}
ALLOWED = {
    "auth/tokens.py": {"MEMBER_OF_KEY"},  # of a JSON object
    "mongo/client.py": {"member"},  # of a replica set
}


def words_in(source: str) -> Iterator[str]:
    """Every identifier, and every word of every string, docstrings too; comments are not read."""
    for node in ast.walk(ast.parse(source)):
        for text in (getattr(node, name, None) for name in ("id", "attr", "arg", "name", "asname", "module", "value")):
            if isinstance(text, str):
                yield from re.findall(r"\w+", text)


def domain_words(source: str) -> set[str]:
    """The words that are the domain's, or that hold one: `audit_id`, `AuditAccepted`, `re_certified`."""
    return {word for word in words_in(source) if OF_CASES.search(word) or any(map(_is_domains, _parts(word)))}


def _parts(word: str) -> list[str]:
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", word)]


def _is_domains(part: str) -> bool:
    return part in NAMED or part.startswith(STEMS)


@pytest.mark.parametrize("path", sorted(CHASSIS.rglob("*.py")), ids=lambda path: str(path.relative_to(CHASSIS)))
def test_the_chassis_holds_no_word_of_the_domain(path: Path) -> None:
    assert domain_words(path.read_text()) <= ALLOWED.get(str(path.relative_to(CHASSIS)), set())


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('FACTS = ("id", "audit_id")', "audit_id"),
        ("from touchstone_contracts.events.certification import X", "certification"),
        ('"""Reads what the registrar asked for."""', "registrar"),
        ("def recertified(audit): ...", "audit"),
        ("ask(member_class=1)", "member_class"),
        ("class NoticeSent: ...", "NoticeSent"),
        ('ROLES = {"SECRETARIAT": 1}', "SECRETARIAT"),
        ("event.body_id", "body_id"),
    ],
)
def test_a_word_of_the_domain_is_seen_wherever_it_stands(line: str, word: str) -> None:
    assert domain_words(f"import json\n\n{line}\n") == {word}


def test_the_words_of_messaging_are_not_taken_for_the_domains() -> None:
    source = 'def report(body: bytes, case: str = "a party waits"): return criteria(body)["standard", "notified"]'

    assert domain_words(source) == set()
