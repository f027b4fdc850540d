"""Values of the published language as they look on the wire."""

from typing import Any


def plain(value: Any) -> dict[str, Any]:
    return value.schema.dump(value)
