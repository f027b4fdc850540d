"""The three durable steps with pymongo's blocking client: look up what is known, do the work, write the result.

Each write is durable (majority, journal) when a step returns. A step that is asked for the same again writes nothing
and answers as it did the first time, so a repeated message does no harm. Connections are pymongo's own pool.
"""

import datetime
import functools
import os
from typing import Any

import pymongo
import work
from pymongo.errors import BulkWriteError, DuplicateKeyError

from touchstone_chassis.auth.tokens import Verifier

DUPLICATE_KEY = 11000


def database(service: str) -> Any:
    """The service's database, as the environment says (MONGO_URI, BENCH_PREFIX)."""
    client: Any = pymongo.MongoClient(os.environ["MONGO_URI"], w="majority", journal=True)
    return client[f"{os.environ['BENCH_PREFIX']}_{service}"]


class Assessing:
    """Accepts reports; tokens are checked as the environment says (BENCH_JWKS, BENCH_AUDIENCE, BENCH_ISSUERS)."""

    def __init__(self) -> None:
        self._db = database("assessment")
        self._verifier = Verifier(*(os.environ[f"BENCH_{name}"] for name in ("JWKS", "AUDIENCE", "ISSUERS")))

    def submit(self, report: dict[str, Any], token: str) -> dict[str, Any]:
        """The event of the accepted audit, once that is durable.

        Raises Unauthenticated, PermissionError, or ValueError with every fault (also for another report of this id).
        """
        caller = self._verifier.verify(token)
        body = self._db.bodies.find_one({"_id": report.get("body_id")})
        auditors = list(self._db.auditors.find({"_id": {"$in": work.auditor_ids(report)}}))
        document, event = work.submitted(report, caller, body, auditors, _now())
        known = _inserted(self._db.audits, document, "accepted")
        if known["report_hash"] != event["report_hash"]:
            raise ValueError(f"{document['_id']} is here already with another report.")
        return known


class Certifying:
    """Decides accepted audits and issues their certificates."""

    def __init__(self) -> None:
        self._db = database("certification")

    def decide(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """The event of the issued certificate, once that is durable."""
        member = self._db.members.find_one({"_id": accepted["member_id"]})
        which, after = {"_id": "certificates"}, pymongo.ReturnDocument.AFTER
        drawn = self._db.sequences.find_one_and_update(which, {"$inc": {"n": 1}}, upsert=True, return_document=after)
        document, _ = work.decided(accepted, member, drawn["n"], _now())
        return _inserted(self._db.certificates, document, "issued")


class Noticing:
    """Records who is told of a certificate."""

    def __init__(self) -> None:
        self._db = database("notification")

    def notice(self, issued: dict[str, Any]) -> None:
        """One notice per contact is on record when this returns."""
        contacts = list(self._db.contacts.find({"party": {"$in": work.parties(issued)}}))
        try:
            if notices := work.noticed(issued, contacts, _now()):
                self._db.notices.insert_many(notices, ordered=False)
        except BulkWriteError as error:
            if any(fault["code"] != DUPLICATE_KEY for fault in error.details["writeErrors"]):
                raise


STEPS = {"assessment": Assessing, "certification": Certifying, "notification": Noticing}


@functools.cache
def step(service: str) -> Any:
    """The step of a service, made once in a process."""
    return STEPS[service]()


def _inserted(collection: Any, document: dict[str, Any], event: str) -> dict[str, Any]:
    """The event in this document, or in the one of its id that was there before."""
    try:
        collection.insert_one(document)
    except DuplicateKeyError:
        document = collection.find_one({"_id": document["_id"]}, {event: 1})
    return document[event]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
