"""Reads what a run left behind from stores, queues, outboxes and sent mails."""

import contextlib
import email
import email.policy
import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
from harness.checks import Found

from touchstone_devkit.chaos import forging
from touchstone_devkit.demo.quiet import Observer
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World
from touchstone_devkit.eventually import awaited
from touchstone_devkit.system.runner import System

LEFT_OVER_S = 30.0
"""So long a node that was cut off may take until its management API answers again, and a letter until it is kept."""


def received(scheme: Scheme, forgeries: Iterable[forging.Forgery]) -> Iterator[forging.Reception]:
    """What became of each; then it is discarded, as an operator does who has found out that it is not true."""
    for forgery in forgeries:
        with contextlib.suppress(TimeoutError):
            awaited(functools.partial(forging.letter_of, scheme, forgery), "it was not parked", LEFT_OVER_S)
        reception = forging.received(scheme, forgery)
        forging.discard(scheme, reception)
        yield reception


def find(
    scheme: Scheme,
    system: System,
    world: World,
    *,
    mandates: str,
    mails_before: Iterable[Path] = (),
    receptions: Sequence[forging.Reception] = (),
) -> Found:
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
            events=list(scheme.wire_tap.messages),
            mails=mails_in(system.mail_folder, mails_before),
            dead_letters=observer.dead_letters(),
            under_way=left_over(observer, system),
            receptions=receptions,
        )


def left_over(observer: Observer, system: System, *, within_s: float = LEFT_OVER_S) -> dict[str, int]:
    """What does not come to an end: messages, outbox rows and deadlines; empty as soon as there is nothing."""
    until = time.monotonic() + within_s
    while True:
        left = {**observer.under_way(), **observer.retrying(), **held(system)}
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.5)  # a deadline may fall due at any time, and the broker counts every five seconds


def held(system: System) -> dict[str, int]:
    """Messages that a consumer took and has not let go of, by queue; that nobody answers where the broker's node is
    still coming back."""
    assert system.management_uri is not None
    vhost = quote(unquote(urlsplit(system.amqp_uri).path[1:]), safe="")
    try:
        answer = requests.get(f"{system.management_uri}/api/queues/{vhost}", timeout=10)
        answer.raise_for_status()
    except requests.RequestException as failure:
        return {f"a broker that cannot be asked ({type(failure).__name__})": 1}
    counts = {queue["name"]: queue.get("messages_unacknowledged", 0) for queue in answer.json()}
    return {f"{name}, held by its consumer": count for name, count in counts.items() if count}


def mails_in(folder: Path, before: Iterable[Path] = ()) -> list[tuple[str, str]]:
    """Message-ID and recipient of each mail that came since."""
    mails = []
    for path in set(folder.glob("*.eml")) - set(before):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        mails.append((str(mail["Message-ID"]).strip(), str(mail["X-Envelope-To"])))
    return mails
