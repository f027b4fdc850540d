"""The three durable steps of steps.py with pymongo's asyncio client: the same reads, the same work, the same writes.

Each write is durable (majority, journal) when a step returns; a step asked for the same again writes nothing and
answers as it did the first time.
"""

import datetime
import os
from typing import Any

import pymongo
import steps
import work
from pymongo.errors import BulkWriteError, DuplicateKeyError

_DUPLICATE_KEY = 11000


def database(service: str) -> Any:
    """The service's database, as the environment says (MONGO_URI, BENCH_PREFIX)."""
    client: pymongo.AsyncMongoClient[dict[str, Any]] = pymongo.AsyncMongoClient(
        os.environ["MONGO_URI"], w="majority", journal=True
    )
    return client[f"{os.environ['BENCH_PREFIX']}_{service}"]


class Assessing:
    """Accepts reports."""

    def __init__(self) -> None:
        self._db, self._verifier = database("assessment"), steps.verifier()

    async def submit(self, report: dict[str, Any], token: str) -> dict[str, Any]:
        """The event of the accepted audit, once that is durable.

        Raises Unauthenticated, PermissionError, or ValueError with every fault (also for another report of this id).
        """
        caller = self._verifier.verify(token)
        body = await self._db.bodies.find_one({"_id": report.get("body_id")})
        auditors = await self._db.auditors.find({"_id": {"$in": work.auditor_ids(report)}}).to_list()
        document, event = work.submitted(report, caller, body, auditors, _now())
        try:
            await self._db.audits.insert_one(document)
        except DuplicateKeyError:
            found = await self._db.audits.find_one({"_id": document["_id"]}, {"accepted": 1})
            known: dict[str, Any] = found["accepted"]
            if known["report_hash"] != event["report_hash"]:
                raise ValueError(f"{document['_id']} is here already with another report.") from None
            return known
        return event


class Certifying:
    """Decides accepted audits and issues their certificates."""

    def __init__(self) -> None:
        self._db = database("certification")

    async def decide(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """The event of the issued certificate, once that is durable."""
        member = await self._db.members.find_one({"_id": accepted["member_id"]})
        document, event = work.decided(accepted, member, await self._next_number(), _now())
        try:
            await self._db.certificates.insert_one(document)
        except DuplicateKeyError:
            found = await self._db.certificates.find_one({"_id": document["_id"]}, {"issued": 1})
            issued: dict[str, Any] = found["issued"]
            return issued
        return event

    async def _next_number(self) -> int:
        drawn = await self._db.sequences.find_one_and_update(
            {"_id": "certificates"}, {"$inc": {"n": 1}}, upsert=True, return_document=pymongo.ReturnDocument.AFTER
        )
        number: int = drawn["n"]
        return number


class Noticing:
    """Records who is told of a certificate."""

    def __init__(self) -> None:
        self._db = database("notification")

    async def notice(self, issued: dict[str, Any]) -> None:
        """One notice per contact is on record when this returns."""
        contacts = await self._db.contacts.find({"party": {"$in": work.parties(issued)}}).to_list()
        notices = work.noticed(issued, contacts, _now())
        if not notices:
            return
        try:
            await self._db.notices.insert_many(notices, ordered=False)
        except BulkWriteError as error:
            if any(fault["code"] != _DUPLICATE_KEY for fault in error.details["writeErrors"]):
                raise


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
