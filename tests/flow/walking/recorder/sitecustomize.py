"""Writes down each call of a function of ours in a service's process, when this folder is on its PYTHONPATH.

The product knows nothing of it, so that it records an older checkout as well. One line a call, in the file
`$WALK_FOLDER/<service>`: time, number of the greenlet, frames of ours on the stack, 1 where the function's module is
called back (by one that it called), module, function. What gives a worker its dependencies is left out: nameko asks
all of them, for each message, in an order that is chance.
"""

import itertools
import os
import sys
import time
from types import CodeType, FrameType
from typing import Any

NAMED_FUNCTION = 0x1
"""The flag of code that is a function's: a module's and a class's have it not."""
LEFT_OUT = "get_dependency"


def record(path: str, packages: set[str]) -> None:
    from greenlet import getcurrent

    write, file = os.write, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # before eventlet replaces them
    names: dict[int, tuple[str, str, CodeType]] = {}  # with the code itself, so that no other gets its id
    numbers = itertools.count(1)

    def name_of(frame: FrameType) -> tuple[str, str, CodeType]:
        """The module of a frame, if it is ours, and its function, if it has a name."""
        code = frame.f_code
        found = names.get(id(code))
        if found is None:
            module = str(frame.f_globals.get("__name__"))
            module = module if module.partition(".")[0] in packages else ""
            named = code.co_flags & NAMED_FUNCTION and not code.co_filename.startswith("<")
            found = (module, code.co_qualname if named and not code.co_name.startswith("<") else "", code)
            names[id(code)] = found
        return found

    def called(frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or not all((at := name_of(frame))[:2]):
            return
        frames, left, back, outer = 0, False, 0, frame
        while outer is not None:
            if outer.f_code.co_name == LEFT_OUT:
                return
            if module := name_of(outer)[0]:
                frames, left, back = frames + 1, left or module != at[0], back or int(left and module == at[0])
            outer = outer.f_back
        of_greenlet = getcurrent().__dict__
        number = of_greenlet.get("walk_number") or of_greenlet.setdefault("walk_number", next(numbers))
        write(file, f"{time.time():.6f}\t{number}\t{frames}\t{back}\t{at[0]}\t{at[1]}\n".encode())

    sys.setprofile(called)  # greenlets of a thread share it


if "WALK_FOLDER" in os.environ and "touchstone_chassis" in sys.orig_argv:
    service = sys.orig_argv[sys.orig_argv.index("touchstone_chassis") + 1]
    record(os.path.join(os.environ["WALK_FOLDER"], service), set(os.environ["WALK_PACKAGES"].split(",")))
