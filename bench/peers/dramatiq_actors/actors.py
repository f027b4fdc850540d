"""The three services as dramatiq actors: each does its durable work, sends on what follows, and is acknowledged then.

The broker is the environment's (AMQP_URI). A refused report is not tried again and goes to the dead letters; whatever
else fails is tried again by dramatiq's own middleware.
"""

import functools
import os
from typing import Any

import dramatiq
import steps
from quorum import ASSESSMENT, CERTIFICATION, NOTIFICATION, QuorumBroker

from touchstone_contracts.errors import Unauthenticated

broker = QuorumBroker(os.environ["AMQP_URI"])
dramatiq.set_broker(broker)

assessing = functools.cache(steps.Assessing)
certifying = functools.cache(steps.Certifying)
noticing = functools.cache(steps.Noticing)


@dramatiq.actor(queue_name=ASSESSMENT, throws=(Unauthenticated, PermissionError, ValueError))
def submit(report: dict[str, Any], token: str) -> None:
    decide.send(assessing().submit(report, token))


@dramatiq.actor(queue_name=CERTIFICATION)
def decide(accepted: dict[str, Any]) -> None:
    notice.send(certifying().decide(accepted))


@dramatiq.actor(queue_name=NOTIFICATION)
def notice(issued: dict[str, Any]) -> None:
    noticing().notice(issued)
