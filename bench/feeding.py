"""Fills Touchstone's intake queue with submissions by message, and keeps a very long backlog topped up.

    python bench/feeding.py --count 50000 --ahead 50000

Environment: AMQP_URI, BENCH_REPORT, BENCH_TOKENS as for a load generator. Prints `ready` as soon as the queue holds
what it may at once, then goes on until all were sent. A token lives for five minutes, so that no message may wait for
longer: of a backlog that would, only `--ahead` messages wait in the queue, and the rest follow them.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pika

INTAKE = "assessment.intake"
AT_ONCE = 500
PAUSE_S = 0.05


def send(channel: Any, report: dict[str, Any], token: str, first: int, count: int) -> None:
    """Persistent messages; the exact counts afterwards tell whether all of them arrived."""
    for index in range(first, first + count):
        numbered = report | {"report_id": f"bench-{index}", "entity": report["entity"] | {"id": f"works-{index}"}}
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            message_id=f"bench-{index}",
            headers={"authorization": token},
        )
        channel.basic_publish("", INTAKE, json.dumps({"report": numbered}).encode(), properties, mandatory=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--ahead", type=int, required=True)
    given = parser.parse_args()
    report = json.loads(Path(os.environ["BENCH_REPORT"]).read_text())
    token_path = Path(os.environ["BENCH_TOKENS"])
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URI"]))
    channel = connection.channel()
    sent, ready = 0, False
    while True:
        waiting = channel.queue_declare(INTAKE, passive=True).method.message_count
        full = waiting + AT_ONCE > given.ahead or sent == given.count
        arrived = waiting >= min(given.count, given.ahead - AT_ONCE)
        if full and arrived and not ready:
            ready = True
            print("ready", flush=True)
        if sent == given.count and ready:
            break
        if full:
            connection.sleep(PAUSE_S)
            continue
        count = min(AT_ONCE, given.count - sent)
        send(channel, report, token_path.read_text().strip(), sent, count)
        sent += count
        connection.process_data_events(time_limit=0)
    connection.close()


if __name__ == "__main__":
    main()
