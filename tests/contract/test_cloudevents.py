"""Our messages are CloudEvents 1.0 in the eyes of the CloudEvents project's own library, not only in ours."""

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured_event
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat

import touchstone_contracts
import touchstone_contracts.events.differences  # registers, as the package does, all there is an example of
from touchstone_contracts.envelope import CONTENT_TYPE, unwrap

EXAMPLES = sorted((Path(touchstone_contracts.__file__).parent / "examples").glob("*.json"))


def as_delivered(message: dict[str, Any]) -> RabbitMQMessage:
    return RabbitMQMessage(headers={}, content_type=CONTENT_TYPE, body=json.dumps(message).encode())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_cloudevents_library_reads_in_an_example_what_we_read(path: Path) -> None:
    message = json.loads(path.read_text())

    theirs = from_structured_event(as_delivered(message))
    ours, _ = unwrap(message)

    assert (theirs.get_id(), theirs.get_type(), theirs.get_source()) == (ours.id, ours.type, ours.source)
    assert (theirs.get_subject(), theirs.get_time()) == (ours.subject, ours.time)
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_extension("sequence") == ours.sequence
    assert theirs.get_extension("correlationid") == ours.correlationid
    assert theirs.get_data() == message["data"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_we_read_what_the_cloudevents_library_writes(path: Path) -> None:
    message = json.loads(path.read_text())

    rewritten = JSONFormat().write(from_structured_event(as_delivered(message)))

    assert unwrap(json.loads(rewritten)) == unwrap(message)


@pytest.mark.parametrize(
    "change", [{"specversion": "2.0"}, {"id": ""}, {"subject": ""}, {"correlation_id": "not a CloudEvents name"}]
)
def test_the_cloudevents_library_refuses_what_is_none(change: dict[str, Any]) -> None:
    message = json.loads(EXAMPLES[0].read_text()) | change

    with pytest.raises(CloudEventValidationError):
        from_structured_event(as_delivered(message))
