"""Lets a test define event types of its own without leaving them in the registry."""

from collections.abc import Iterator

import pytest

from touchstone_contracts.registry import REGISTRY


@pytest.fixture(autouse=True)
def registry_restored() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)
