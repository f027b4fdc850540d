"""Values to build messages from: plausible ones, and such as have broken other systems."""

import copy
import functools
from typing import Any

from touchstone_devkit.demo.worlds import a_world
from touchstone_testing.reference_data import a_later_rule_set, a_later_standard, later_obligations

CANARY = "quetzal-7391"
"""Stands in every bad message, and may stand in no log."""

PLAUSIBLE: list[Any] = [
    *("aud-7f3a", "qatalum", "dnv", "secretariat", "certificate-195", "dnv.qatalum-2022-01"),
    *("PS", "3.0", "PS-3.0", "QA", "*", "PT", "SML", "CST", "en", "pt-BR", "email", "9.1", "parked", "certification"),
    *("assessment.audit_accepted", "assessment.audit_accepted.v1"),
    *("person@example.org", "A. Person", "For the corpus.", "https://example.org/a"),
    *("2022-01-15", "2026-01-01", "2026-12-31", "2026-03-05T09:00:00+00:00"),
    *(1, 2, 50, 195, 10_001, 0.5, 60, True, False),
]
ABSURD: list[Any] = [
    *(None, True, False, 0, -1, 1, 10**18, 2**31, 2**53 + 1, -(2**63), 2**63 - 1, 0.1, -0.0, 1e308, 5e-324),
    *("", " ", "\0", "a\0b", "\n", "\x7f", "\u202e", "\u200b", "\ufeff", "\U0010ffff", "\ue000", "e\u0301", "\u0661"),
    *("\U0001f4a9" * 20, "Z" + "\u0335\u0321\u0334" * 50, "\ufdfa" * 50, "\u0130", "\u00df", "\u2028"),
    *("x" * 256, "x" * 10_000, CANARY, f"{CANARY}@example.org", f"=cmd|'{CANARY}'!A1", "<script>alert(1)</script>"),
    *(
        "$gt",
        "$where",
        "a.b",
        "$",
        ".",
        "..",
        "_id",
        "__proto__",
        "{{7*7}}",
        "${HOME}",
        "%s%n",
        "' OR 1=1 --",
        "../../x",
    ),
    *("NaN", "Infinity", "1e999999", "-1", "0x10", "1_000", "00", "true", "null", "\u00b2"),
    *("0001-01-01", "9999-12-31", "2024-02-30", "2026-W01-1", "20260101"),
    *("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "2026-01-01T00:00:60Z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00+23:59"),
    *([], [[]], [None], {}, {"": ""}, {"$gt": ""}, {"$where": "1"}, {"a.b": 1}, {"$set": {"a": 1}}, {"\0": 1}),
]


def named_samples(name: str | None) -> list[Any]:
    """For a field that takes anything: what a field of this name would get from an honest sender."""
    return copy.deepcopy(_named().get(name or "", []))


@functools.cache
def _named() -> dict[str, list[Any]]:
    report = a_world("a minor, plan approved", "corpus").report()
    body = '{"specversion": "1.0"}'
    return {
        "report": [report, report | {"scope": None}, report | {"findings": []}, None, CANARY],
        "history": [{"issued_on": "2026-11-01", "source": "https://example.org"}, None, CANARY],
        "document": [a_later_rule_set(), a_later_standard(), later_obligations(), {"kind": "standard"}, None, CANARY],
        "body": [body],
    }
