"""Reads what a run left behind from stores, queues, outboxes and sent mails."""

import email
import email.policy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.checks import Found

from touchstone_devkit.demo.quiet import Observer
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World


def find(scheme: Scheme, world: World, mail_folder: Path, *, mandates: str, mails_before: Iterable[Path] = ()) -> Found:
    """Everything that concerns `world`; the mandates whose ids begin with `mandates`."""
    entity_of_case = world.case.report["entity"]["id"]
    own_audits = {"$regex": f"^{world.case.body_id}\\."}
    with scheme.observer() as observer:

        def read(service: str, collection: str, **filter: Any) -> list[dict[str, Any]]:
            return list(observer.collection(service, collection).find(filter))

        entities = read("membership", "entities", member_id=world.case.member_id)
        return Found(
            entity_ids=[entity["_id"] for entity in entities if entity["_id"] != entity_of_case],
            mandate_ids=[m["_id"] for m in read("certification", "mandates", _id={"$regex": f"^{mandates}"})],
            audits=read("assessment", "audits", _id=own_audits),
            cases=read("certification", "cases", _id=own_audits),
            certificates=read("certification", "certificates", audit_id=own_audits),
            notices=read("notification", "notices", audit_id=own_audits),
            events=list(scheme.trail.messages),
            mails=mails_in(mail_folder, mails_before),
            dead_letters=observer.dead_letters(),
            under_way=under_way(observer),
        )


def mails_in(folder: Path, before: Iterable[Path] = ()) -> list[tuple[str, str]]:
    """Message-ID and recipient of each mail that came since."""
    mails = []
    for path in set(folder.glob("*.eml")) - set(before):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        mails.append((str(mail["Message-ID"]).strip(), str(mail["X-Envelope-To"])))
    return mails


def under_way(observer: Observer) -> dict[str, int]:
    return {**observer.under_way(), **observer.retrying()}
