"""A walk is counted by what was called first, and what goes on in the background is left out."""

import os
import subprocess
import sys
from pathlib import Path

from walking.counting import calling, functions, handlers, returns
from walking.describing import described, modules
from walking.running import RECORDER, Call, Step, moments, without_background

OURS = """
import greenlet, also_ours, theirs

class Thing:
    def outer(self): return [self.inner(call) for call in (theirs.call, also_ours.call)]
    def inner(self, call): call(back)

def back(): pass
def get_dependency(): Thing().outer()

Thing().outer()
greenlet.greenlet(back).switch()
get_dependency()
"""
CALLS = "def call(then): then()"


def calls(*names: str, greenlet: int = 1, at: float = 0) -> list[Call]:
    return [Call(at, greenlet, 1, False, *name.split(":")) for name in names]


def test_a_function_counts_once_where_it_is_first_called() -> None:
    way = calls("a:f", "b:f", "a:f", "a:g")

    assert functions(way) == calls("a:f", "b:f", "a:g")


def test_coming_back_to_a_module_that_was_left_is_a_return() -> None:
    way = calls("x.a:f", "x.b:f", "x.a:f", "y.c:f", "x.a:g", "x.a:h")

    assert returns(way) == 1
    assert returns(way[:4]) == 0


def test_a_function_that_calls_none_of_ours_is_no_part_of_what_a_reader_follows() -> None:
    way = [Call(0, 1, frames, False, "a", name) for frames, name in ((1, "outer"), (2, "leaf"), (2, "inner"), (3, "x"))]

    assert [call.function for call in calling(way)] == ["outer", "inner"]


def test_each_greenlet_has_a_way_of_its_own() -> None:
    assert returns(calls("a:f", "b:f") + calls("a:g", greenlet=2)) == 0


def test_what_the_same_loop_calls_when_nothing_happens_is_background() -> None:
    idle = calls("loop:run", "loop:turn", at=1)
    walk = calls("loop:turn", "loop:found", at=5) + calls("loop:turn", greenlet=2, at=5)

    assert [c.function for c in without_background(idle + walk, (0, 2))] == ["found", "turn"]


def test_a_worker_belongs_to_the_step_that_it_began_in_and_a_loop_to_each() -> None:
    loop = calls("l:run", at=1) + calls("l:turn", at=9)
    worker = calls("w:a", greenlet=2, at=5) + calls("w:b", greenlet=2, at=9)

    counted = moments(loop + worker, {1: loop[0], 2: worker[0]}, since=4)

    assert [at for at, _call in counted] == [1, 9, 5, 5]


def test_handlers_are_found_by_their_decorators(tmp_path: Path) -> None:
    path = tmp_path / "entrypoints.py"
    path.write_text("class E:\n @query(A())\n def a(self): ...\n @on_event(B)\n def b(self): ...\n def c(self): ...\n")

    assert handlers(path) == {"a", "b"}


def test_a_walk_is_put_down_by_packages_with_their_modules() -> None:
    step = Step("sending", calls("p.a.x:f", "p.b:f", "p.a.y.z:f", "p.a.x:g"), [frozenset({"n", "m"})], ["e"], [])

    (described_step,) = described([step])

    assert described_step["packages"] == {"p.a": "x y.z", "p.b": ""}
    assert described_step["transactions"] == [["m", "n"]]
    assert modules(described_step) == {"p.a.x", "p.a.y.z", "p.b"}


def test_the_recorder_writes_down_named_functions_of_our_packages_by_greenlet(tmp_path: Path) -> None:
    for name, source in (("ours", OURS), ("also_ours", CALLS), ("theirs", CALLS)):
        (tmp_path / f"{name}.py").write_text(source)
    folders = os.pathsep.join((str(RECORDER), str(tmp_path)))
    environment = {"PYTHONPATH": folders, "WALK_FOLDER": str(tmp_path), "WALK_PACKAGES": "ours,also_ours"}

    command = [sys.executable, "-c", "import ours", "touchstone_chassis", "things"]
    subprocess.run(command, env={**os.environ, **environment}, check=True)

    # With a module's own frame and that of a comprehension on the stack, which have no name to write down.
    lines = [line.split("\t") for line in (tmp_path / "things").read_text().splitlines()]
    assert [(greenlet, back, f"{module}.{name}") for _at, greenlet, _frames, back, module, name in lines] == [
        ("1", "0", "ours.Thing.outer"),
        ("1", "0", "ours.Thing.inner"),
        ("1", "0", "ours.back"),
        ("1", "0", "ours.Thing.inner"),
        ("1", "0", "also_ours.call"),
        ("1", "1", "ours.back"),
        ("2", "0", "ours.back"),
    ]
    assert [int(frames) for _at, _greenlet, frames, *_rest in lines][-1] == 1
