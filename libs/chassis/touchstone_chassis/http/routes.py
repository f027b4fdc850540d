"""A WSGI application made of a table of paths, which are read only."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from touchstone_chassis.http.errors import status_of
from touchstone_contracts.errors import Refusal


class Response(NamedTuple):
    """A status line, a content type, and a body."""

    status: str
    content_type: str
    body: bytes


def json_response(status: str, content: Mapping[str, Any]) -> Response:
    return Response(status, "application/json", json.dumps(content).encode())


class Routes:
    """Answers GET and HEAD for the paths of the table; what a handler refuses becomes its status and error object."""

    def __init__(self, routes: Mapping[str, Callable[[], Response]]):
        self._routes = routes

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, kind, body = self._answer(environ["PATH_INFO"], environ["REQUEST_METHOD"])
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, [*headers, ("Allow", "GET, HEAD")] if status.startswith("405") else headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, path: str, method: str) -> Response:
        handler = self._routes.get(path)
        if handler is None:
            return json_response("404 Not Found", {"error": "not found"})
        if method not in ("GET", "HEAD"):
            return json_response("405 Method Not Allowed", {"error": "only GET and HEAD"})
        try:
            return handler()
        except Refusal as refusal:
            return json_response(status_of(refusal), refusal.as_dict())
