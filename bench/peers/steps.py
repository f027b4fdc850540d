"""The three durable steps with pymongo's blocking client: look up what is known, do the work, write the result.

Each write is durable (majority, journal) when a step returns. A step that is asked for the same again writes nothing
and answers as it did the first time, so a repeated message does no harm. Connections are pymongo's own pool.
"""

import datetime
import os
from typing import Any

import pymongo
import work
from pymongo.errors import BulkWriteError, DuplicateKeyError

from touchstone_chassis.auth.tokens import Verifier

DUPLICATE_KEY = 11000


def verifier() -> Verifier:
    """The check of tokens, as the environment says (BENCH_JWKS, BENCH_AUDIENCE, BENCH_ISSUERS)."""
    return Verifier(os.environ["BENCH_JWKS"], os.environ["BENCH_AUDIENCE"], os.environ["BENCH_ISSUERS"])


def database(service: str) -> Any:
    """The service's database, as the environment says (MONGO_URI, BENCH_PREFIX)."""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        os.environ["MONGO_URI"], w="majority", journal=True
    )
    return client[f"{os.environ['BENCH_PREFIX']}_{service}"]


class Assessing:
    """Accepts reports."""

    def __init__(self) -> None:
        self._db, self._verifier = database("assessment"), verifier()

    def submit(self, report: dict[str, Any], token: str) -> dict[str, Any]:
        """The event of the accepted audit, once that is durable.

        Raises Unauthenticated, PermissionError, or ValueError with every fault (also for another report of this id).
        """
        caller = self._verifier.verify(token)
        body = self._db.bodies.find_one({"_id": report.get("body_id")})
        auditors = list(self._db.auditors.find({"_id": {"$in": work.auditor_ids(report)}}))
        document, event = work.submitted(report, caller, body, auditors, _now())
        try:
            self._db.audits.insert_one(document)
        except DuplicateKeyError:
            known: dict[str, Any] = self._db.audits.find_one({"_id": document["_id"]}, {"accepted": 1})["accepted"]
            if known["report_hash"] != event["report_hash"]:
                raise ValueError(f"{document['_id']} is here already with another report.") from None
            return known
        return event


class Certifying:
    """Decides accepted audits and issues their certificates."""

    def __init__(self) -> None:
        self._db = database("certification")

    def decide(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """The event of the issued certificate, once that is durable."""
        member = self._db.members.find_one({"_id": accepted["member_id"]})
        document, event = work.decided(accepted, member, self._next_number(), _now())
        try:
            self._db.certificates.insert_one(document)
        except DuplicateKeyError:
            issued: dict[str, Any] = self._db.certificates.find_one({"_id": document["_id"]}, {"issued": 1})["issued"]
            return issued
        return event

    def _next_number(self) -> int:
        drawn = self._db.sequences.find_one_and_update(
            {"_id": "certificates"}, {"$inc": {"n": 1}}, upsert=True, return_document=pymongo.ReturnDocument.AFTER
        )
        number: int = drawn["n"]
        return number


class Noticing:
    """Records who is told of a certificate."""

    def __init__(self) -> None:
        self._db = database("notification")

    def notice(self, issued: dict[str, Any]) -> None:
        """One notice per contact is on record when this returns."""
        contacts = list(self._db.contacts.find({"party": {"$in": work.parties(issued)}}))
        notices = work.noticed(issued, contacts, _now())
        if not notices:
            return
        try:
            self._db.notices.insert_many(notices, ordered=False)
        except BulkWriteError as error:
            if any(fault["code"] != DUPLICATE_KEY for fault in error.details["writeErrors"]):
                raise


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
