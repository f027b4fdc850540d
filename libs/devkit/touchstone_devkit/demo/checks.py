"""Compares what came out of the demo with what the examples say must come out. Pure: each fault is a sentence."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from email.message import Message
from typing import Any

from touchstone_devkit.demo.cases import Case
from touchstone_devkit.demo.outcome import Outcome

_AS_THEY_ARE = ("number", "standard", "level", "entity", "country", "issued_on", "expires_on")
_PUBLISHED = {**dict(zip(_AS_THEY_ARE, _AS_THEY_ARE, strict=True)), "holder": "member_name", "body": "body_name"}
"""The fields of a public certificate, and the register's names for them."""


def faults_of_case(case: Case, outcome: Outcome) -> list[str]:
    """What is missing, doubled or different in what became of one case."""
    if case.outcome == "not_submitted":
        return list(_faults_of_refused_submission(case, outcome))
    if not outcome.decisions:
        return [f"{case.title}: no decision"]
    faults = [f"{case.title}: {len(outcome.decisions)} decisions, not 1"] if len(outcome.decisions) > 1 else []
    decided = {"outcome": case.outcome} | ({"level": case.level} if case.level else {})
    faults += _differences(case.title, decided, outcome.decisions[0])
    if case.outcome == "issued":
        faults += _faults_of_certificate(case, outcome)
    elif case.rule not in (rules := [reason["rule"] for reason in outcome.decisions[0].get("reasons", [])]):
        faults.append(f"{case.title}: decided by rule {', '.join(rules) or 'none'}, not {case.rule}")
    if len(outcome.notices) != outcome.expected_notices:
        faults.append(f"{case.title}: {len(outcome.notices)} notices sent, not {outcome.expected_notices}")
    return faults


def faults_of_mails(expected: Mapping[str, int], mails: Sequence[Message]) -> list[str]:
    """What is missing or doubled in the mails: `expected` counts them by address, that of the envelope."""
    arrived = Counter(mail["X-Envelope-To"] for mail in mails)
    people = sorted(set(expected) | set(arrived))
    faults = [
        f"{person}: {arrived[person]} mails, not {expected.get(person, 0)}"
        for person in people
        if arrived[person] != expected.get(person, 0)
    ]
    repeated = [i for i, count in Counter(mail["Message-ID"] for mail in mails).items() if count > 1]
    return faults + [f"Message-ID {message_id} came more than once" for message_id in repeated]


def faults_of_register(cases: Iterable[Case], numbers: Sequence[int]) -> list[str]:
    """What is missing or doubled in the register: `numbers` are those of all its certificates."""
    expected = sum(case.outcome == "issued" for case in cases)
    faults = [] if len(numbers) == expected else [f"the register holds {len(numbers)} certificates, not {expected}"]
    return faults + [f"certificate {n} stands twice" for n, count in Counter(numbers).items() if count > 1]


def _faults_of_refused_submission(case: Case, outcome: Outcome) -> Iterable[str]:
    if outcome.problems is None:
        yield f"{case.title}: the report was taken"
    elif (codes := sorted(problem["code"] for problem in outcome.problems)) != sorted(case.problems):
        yield f"{case.title}: refused for {', '.join(codes)}, not for {', '.join(sorted(case.problems))}"
    if outcome.decisions or outcome.notices:
        yield f"{case.title}: decided although the report was not taken"


def _faults_of_certificate(case: Case, outcome: Outcome) -> list[str]:
    decision, certificate = outcome.decisions[0], outcome.certificate
    if certificate is None:
        return [f"{case.title}: certificate {decision.get('number')} is not in the register"]
    faults = _differences(f"{case.title}, event", published_fields(case), issued_fields(decision))
    return faults + _differences(f"{case.title}, register", published_fields(case), issued_fields(certificate))


def published_fields(case: Case) -> dict[str, Any]:
    """The fields of a public certificate that were published, by the register's names for them."""
    published = (case.published or {}).items()
    return {_PUBLISHED[name]: value for name, value in published if name in _PUBLISHED and value is not None}


def issued_fields(issued: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields of a certificate, as an event or the register gives it."""
    entity = issued.get("entity") or {}
    return {**issued, "entity": entity.get("name"), "country": entity.get("country")}


def _differences(title: str, expected: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    return [
        f"{title}: {name} is {seen.get(name)!r}, not {value!r}"
        for name, value in expected.items()
        if seen.get(name) != value
    ]
