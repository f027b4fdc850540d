"""Runs one service with FastStream until SIGTERM: python serve.py assessment|certification|notification.

One process and one event loop (uvloop); as many messages are in work as are prefetched. Tried with 16 submitters on two
cores under heavy foreign load: prefetch 16 and 64 (11.2-12.0 and 11.2-11.8 ms of processor time per audit), asyncio's
own loop (10.8 ms), FastStream's check of argument types left out (10.8-12.2 ms). None differs by more than the noise;
taken: 64, so that 64 submitters are not held up; the check of types stays, as the documentation has it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # work.py and steps.py

import async_steps
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker
from queues import ASSESSMENT, CERTIFICATION, NOTIFICATION

from touchstone_contracts.errors import Unauthenticated

PREFETCH = 64


def assessment(broker: RabbitBroker) -> None:
    assessing = async_steps.Assessing()

    @broker.subscriber(ASSESSMENT)
    async def submit(report: dict[str, Any], token: str) -> dict[str, Any]:
        try:
            event = await assessing.submit(report, token)
        except (Unauthenticated, PermissionError, ValueError) as refusal:
            return {"refused": str(refusal)}
        await broker.publish(event, CERTIFICATION, persist=True)
        return {"audit_id": event["audit_id"]}


def certification(broker: RabbitBroker) -> None:
    certifying = async_steps.Certifying()

    @broker.subscriber(CERTIFICATION, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def decide(accepted: dict[str, Any]) -> None:
        await broker.publish(await certifying.decide(accepted), NOTIFICATION, persist=True)


def notification(broker: RabbitBroker) -> None:
    noticing = async_steps.Noticing()

    @broker.subscriber(NOTIFICATION, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def notice(issued: dict[str, Any]) -> None:
        await noticing.notice(issued)


SERVICES: dict[str, Callable[[RabbitBroker], None]] = {
    "assessment": assessment,
    "certification": certification,
    "notification": notification,
}


async def main(service: str) -> None:
    # A message that no queue takes is an error: by default the confirm alone would count as success.
    channel = Channel(prefetch_count=PREFETCH, publisher_confirms=True, on_return_raises=True)
    broker = RabbitBroker(os.environ["AMQP_URI"], default_channel=channel, logger=None)
    SERVICES[service](broker)
    app = FastStream(broker, logger=None)

    @app.on_startup
    async def declare() -> None:
        await broker.connect()
        for queue in (ASSESSMENT, CERTIFICATION, NOTIFICATION):
            await broker.declare_queue(queue)

    @app.after_startup
    async def ready() -> None:
        print("ready", flush=True)

    await app.run()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
