"""The HTTP side of the chassis: a table of paths, one error object, and no nameko in the process."""

import subprocess
import sys

import pytest
from werkzeug.test import Client

from touchstone_chassis.http import Routes, json_response, status_of
from touchstone_contracts.errors import (
    FieldError,
    IllegalTransition,
    InvalidReport,
    InvalidRequest,
    NotFound,
    Unavailable,
)


def refuse() -> None:
    raise NotFound("There is no such thing.")


@pytest.fixture
def client() -> Client:
    return Client(Routes({"/things": lambda: json_response("200 OK", {"items": []}), "/thing": refuse}))  # type: ignore[dict-item]


def test_a_path_of_the_table_is_answered(client):
    answer = client.get("/things")

    assert (answer.status, answer.json, answer.headers["Cache-Control"]) == ("200 OK", {"items": []}, "no-store")


def test_a_head_has_the_length_and_no_body(client):
    answer = client.head("/things")

    assert answer.headers["Content-Length"] == "13" and answer.data == b""


def test_what_is_refused_has_its_status_and_the_error_object(client):
    answer = client.get("/thing")

    assert answer.status.startswith("404") and answer.json["code"] == "not_found"


def test_other_paths_and_methods_are_told_so(client):
    assert client.get("/other").status.startswith("404")
    assert client.post("/things").headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (InvalidRequest("One thing is wrong."), 400),
        (Unavailable("Not now."), 503),
        (IllegalTransition("It is decided."), 409),
        (InvalidReport("One thing is wrong.", [FieldError("name", "required", "Missing.")]), 422),
    ],
)
def test_each_refusal_has_one_status(refusal, status):
    assert status_of(refusal).startswith(str(status))


def test_it_brings_neither_nameko_nor_eventlet():
    look = "import sys, touchstone_chassis.http; print({'nameko', 'eventlet'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout.strip() == "set()"
