"""Makes what an extension needs when it is first used: nameko looks at every attribute long before that."""

import functools
from typing import Any, TypeVar

_T = TypeVar("_T")


class lazy_dependency(functools.cached_property[_T]):
    """A cached property that does not exist before the container has started.

    nameko inspects all attributes of extensions and their prototypes while it binds them; a plain property would open
    clients then, on objects that nobody uses or closes.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is not None and (instance.container is None or not instance.container.started):
            raise AttributeError(f"{self.attrname} is there once the container has started")
        return super().__get__(instance, owner)
