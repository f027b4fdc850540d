import contextlib
import os
import socket
import threading

from eventlet.hubs import get_hub

from touchstone_devkit.eventually import eventually

left_behind: list[int] = []


def test_a_thread_may_be_left_waiting_for_a_descriptor_that_was_closed() -> None:
    ours, _theirs = socket.socketpair()
    threading.Thread(target=wait_for, args=(ours,), daemon=True).start()
    eventually(lambda: ours.fileno() in get_hub().listeners["read"])
    left_behind.append(ours.fileno())

    os.close(ours.detach())


def test_and_the_next_test_finds_nobody_waiting_for_it() -> None:
    assert left_behind
    assert left_behind[0] not in get_hub().listeners["read"]


def wait_for(end: socket.socket) -> None:
    with contextlib.suppress(EOFError):
        end.recv(1)
