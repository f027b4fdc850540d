"""Fills Touchstone's intake queue with submissions by message, and keeps a very long backlog topped up.

    python bench/feeding.py COUNT AHEAD

Environment: PYTHONPATH=bench/peers; AMQP_URI, BENCH_REPORT, BENCH_TOKENS as for a load generator. Prints `ready` when
the queue holds what it may at once, then goes on until COUNT were sent. A token lives for five minutes, so that no
message may wait for longer: of a backlog that would, only AHEAD messages wait in the queue, the rest follow.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pika
from submit import report_of

INTAKE = "assessment.intake"
AT_ONCE = 500
PAUSE_S = 0.05


def send(channel: Any, report: dict[str, Any], token: str, indices: range) -> None:
    """Persistent messages; the exact counts afterwards tell whether all of them arrived."""
    stamp = {"content_type": "application/json", "delivery_mode": 2, "headers": {"authorization": token}}
    for index in indices:
        body = json.dumps({"report": report_of(report, index)}).encode()
        properties = pika.BasicProperties(message_id=f"bench-{index}", **stamp)
        channel.basic_publish("", INTAKE, body, properties, mandatory=True)


def main() -> None:
    count, ahead = map(int, sys.argv[1:])
    report, token_path = json.loads(Path(os.environ["BENCH_REPORT"]).read_text()), Path(os.environ["BENCH_TOKENS"])
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URI"]))
    channel = connection.channel()
    sent, ready = 0, False
    while sent < count or not ready:
        waiting = channel.queue_declare(INTAKE, passive=True).method.message_count
        if sent < count and waiting + AT_ONCE <= ahead:
            indices = range(sent, min(count, sent + AT_ONCE))
            send(channel, report, token_path.read_text().strip(), indices)
            sent = indices.stop
        elif not ready and waiting >= min(count, ahead - AT_ONCE):
            ready = True
            print("ready", flush=True)
        else:
            connection.sleep(PAUSE_S)
    connection.close()


if __name__ == "__main__":
    main()
