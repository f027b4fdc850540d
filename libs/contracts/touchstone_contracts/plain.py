"""Says fast whether a value is plain JSON, in which nothing needs a closer look."""

import sys
from typing import Any


def is_plain(value: Any, *, depth_max: int, keys_max: int = sys.maxsize, values_max: int = sys.maxsize) -> bool:
    """Whether an object or list is of objects, lists, texts, whole numbers of 64 bits, true, false and null alone.

    `depth_max` is how many levels of objects and lists there may be, the outermost included, `keys_max` how much one
    object may hold, `values_max` how much all objects and lists together. Exactly these types: no subclass and no
    float, which may be infinite or a whole number that was too large. Texts and keys are not looked at.
    """
    level = [value] if type(value) is dict or type(value) is list else []
    count = 0
    for _ in range(depth_max if level else 0):
        below: list[Any] = []
        for parent in level:
            count += len(parent)
            children: Any = parent
            if type(parent) is dict:
                if len(parent) > keys_max:
                    return False
                children = parent.values()
            if count > values_max:
                return False
            for child in children:
                kind = type(child)
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    below.append(child)
                elif kind is int:
                    if not -(2**63) <= child < 2**63:
                        return False
                elif kind is not bool and child is not None:
                    return False
        if not below:
            return True
        level = below
    return False
