"""What contract tests share: drawings on the import path, and the way of a message into code and out."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from touchstone_contracts.envelope import unwrap, wrap
from touchstone_contracts.registry import REGISTRY

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def written_again() -> Callable[[Any], Any]:
    """Reads a message as the type that it names, and writes what it has read."""

    def written_again(message: Any) -> Any:
        envelope, read = unwrap(message, expected=REGISTRY[message["type"]])
        return wrap(
            read,
            id=envelope.id,
            time=envelope.time,
            sequence=envelope.sequence,
            correlation_id=envelope.correlationid,
            causation_id=envelope.causationid,
            traceparent=envelope.traceparent,
        )

    return written_again
