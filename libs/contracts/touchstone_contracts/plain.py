"""Says fast whether a value is plain JSON, in which nothing needs a closer look."""

from typing import Any


def is_plain(value: Any, *, depth_max: int) -> bool:
    """Whether an object or list is of objects, lists, texts, whole numbers of 64 bits, true, false and null alone.

    `depth_max` is how many levels of objects and lists there may be, the outermost included. Exactly these types: no
    subclass and no float, which may be infinite or a whole number that was too large. Texts and keys are not looked at.
    """
    level = [value] if type(value) is dict or type(value) is list else []
    for _ in range(depth_max if level else 0):
        below: list[Any] = []
        for parent in level:
            for child in parent.values() if type(parent) is dict else parent:
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
