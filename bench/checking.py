"""Counts after each run, from the databases themselves: every audit once, one certificate, one notice per contact."""

from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient

from bench.subjects import Subject


def faults_of(mongo: "MongoClient[dict[str, Any]]", subject: Subject) -> list[str]:
    """What is wrong, one sentence each; empty when everything that was submitted is there exactly once."""
    wanted = {
        ("assessment", "audits"): subject.submitted,
        ("certification", "certificates"): subject.submitted,
        ("notification", "notices"): subject.submitted * subject.contacts,
    }
    counted = {place: _collection(mongo, subject, *place).count_documents({}) for place in wanted}
    return [
        *wrong_counts(wanted, counted),
        *_uneven(mongo, subject, "certification", "certificates", 1),
        *_uneven(mongo, subject, "notification", "notices", subject.contacts),
        *subject.faults(),
    ]


def wrong_counts(wanted: Mapping[tuple[str, str], int], counted: Mapping[tuple[str, str], int]) -> list[str]:
    return [
        f"{collection} of {service}: {counted[service, collection]} instead of {count}"
        for (service, collection), count in wanted.items()
        if counted[service, collection] != count
    ]


def _uneven(
    mongo: "MongoClient[dict[str, Any]]", subject: Subject, service: str, collection: str, each: int
) -> list[str]:
    """Audits that have more or fewer of these than each should; right totals could hide them."""
    steps: list[dict[str, Any]] = [
        {"$group": {"_id": "$audit_id", "count": {"$sum": 1}}},
        {"$group": {"_id": {"$eq": ["$count", each]}, "audits": {"$sum": 1}}},
    ]
    found = {row["_id"]: row["audits"] for row in _collection(mongo, subject, service, collection).aggregate(steps)}
    right = found.get(True, 0)
    wrong = [f"{found[False]} audits have not exactly {each} of {collection}"] if found.get(False) else []
    return wrong + ([] if right == subject.submitted else [f"{right} audits have their {collection}"])


def _collection(mongo: "MongoClient[dict[str, Any]]", subject: Subject, service: str, collection: str) -> Any:
    return mongo[f"{subject.prefix}_{service}"][collection]
