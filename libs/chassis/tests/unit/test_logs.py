"""Logs: one JSON object per line, and nothing in it that must not be there."""

import datetime
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from marshmallow import ValidationError

from touchstone_chassis.observability import logs

SECRET = "Ms Rosa Diaz, rosa@example.org"


class Lines(io.StringIO):
    def read_all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def the_only_one(self) -> dict[str, Any]:
        (line,) = self.read_all()
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    handlers, level, hook = logging.root.handlers[:], logging.root.level, sys.excepthook
    stream = Lines()
    logs.configure("certification", "info", stream)
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:], sys.excepthook = handlers, hook
    logging.root.setLevel(level)


def test_a_line_says_who_when_and_under_which_correlation(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        structlog.get_logger().info("certificate_issued", number=195)

    line = lines.the_only_one()
    moment = datetime.datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() == datetime.timedelta()
    assert line == {
        "service": "certification",
        "level": "info",
        "event": "certificate_issued",
        "number": 195,
        "correlation_id": "c-1",
    }


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("detail")

    assert lines.getvalue() == ""


def test_secrets_are_masked_by_their_key_at_any_depth(lines: Lines) -> None:
    structlog.get_logger().info(
        "tried",
        authorization=SECRET,
        mail_address=SECRET,
        message={"Body": SECRET, "nameko.authorization": [SECRET], "list": [{"access-token": SECRET}]},
        payload={"a": SECRET},
        report=object(),
        report_id="QATALUM-2022-01",
        body_id="dnv-uk",
    )

    line = lines.the_only_one()
    assert "Rosa" not in json.dumps(line) and "example.org" not in json.dumps(line)
    assert line["message"] == {"Body": "***", "nameko.authorization": "***", "list": [{"access-token": "***"}]}
    assert (line["payload"], line["report"]) == ("***", "***")
    assert (line["report_id"], line["body_id"]) == ("QATALUM-2022-01", "dnv-uk")


def test_tokens_mail_addresses_and_passwords_are_masked_inside_texts(lines: Lines) -> None:
    structlog.get_logger().info(
        "refused", detail="eyJhbGciOiJFZERTQSJ9.eyJzdWIi.c2ln of rosa@example.org via amqp://guest:pw@host:5672/v"
    )

    assert lines.the_only_one()["detail"] == "*** of *** via amqp://***@host:5672/v"


def test_unknown_objects_are_named_by_their_type_only(lines: Lines) -> None:
    structlog.get_logger().info("seen", thing=ValidationError(SECRET), day=datetime.date(2026, 2, 1), who={1, 2})

    line = lines.the_only_one()
    assert line["thing"] == "<ValidationError>"
    assert line["day"] == "2026-02-01"
    assert line["who"] == [1, 2]


def test_an_exception_shows_types_and_places_but_no_message_and_no_argument(lines: Lines) -> None:
    def handler(address: str) -> None:
        try:
            raise KeyError(address)
        except KeyError as error:
            raise ValueError(f"bad {address}") from error

    try:
        handler(SECRET)
    except ValueError:
        structlog.get_logger().exception("handler_failed")

    line = lines.the_only_one()
    assert [each["type"] for each in line["exception"]] == ["builtins.ValueError", "builtins.KeyError"]
    assert line["exception"][0]["stack"][-1].endswith(" handler")
    assert "Rosa" not in lines.getvalue()


def test_an_exception_about_a_connection_keeps_its_message(lines: Lines) -> None:
    structlog.get_logger().error("broker_away", exc_info=ConnectionRefusedError(111, "Connection refused"))

    assert lines.the_only_one()["exception"][0]["message"] == "[Errno 111] Connection refused"


def test_nameko_may_report_a_failed_worker_without_what_it_worked_on(lines: Lines) -> None:
    log = logging.getLogger("nameko.containers")
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        log.exception("error handling worker %s: %s", object(), error)

    line = lines.the_only_one()
    assert line["event"] == "error handling worker %s: %s"
    assert line["logger"] == "nameko.containers"
    assert line["values"] == ["<object>", "<ValueError>"]
    assert line["exception"][0]["type"] == "builtins.ValueError"
    assert "Rosa" not in lines.getvalue()


def test_kombu_may_report_an_undecodable_message_without_its_body(lines: Lines) -> None:
    logging.getLogger("kombu.mixins").error("Can't decode message body: %r (raw:%r)", ValueError(SECRET), SECRET)

    assert "Rosa" not in lines.getvalue()


def test_a_library_that_logs_an_exception_itself_shows_its_type(lines: Lines) -> None:
    logging.getLogger("amqp").error(ValueError(SECRET))

    assert lines.the_only_one()["event"] == "<ValueError>"


def test_libraries_are_heard_from_warnings_up(lines: Lines) -> None:
    logging.getLogger("kombu.mixins").info("Connected to %s", "amqp://")
    logging.getLogger("pymongo.topology").debug("chatter")

    assert lines.getvalue() == ""


@pytest.mark.parametrize("text", ["half a character \ud800", "two\nlines", "x" * 100_000])
def test_any_text_is_one_line_of_bounded_length(lines: Lines, text: str) -> None:
    structlog.get_logger().info("odd", text=text)

    assert len(lines.read_all()) == 1
    assert len(lines.getvalue()) < 1500


def test_a_reader_that_went_away_does_not_disturb_the_work(lines: Lines) -> None:
    lines.close()

    structlog.get_logger().info("still_working")


def test_an_uncaught_exception_is_logged_without_its_message(lines: Lines) -> None:
    sys.excepthook(ValueError, ValueError(SECRET), None)

    assert lines.the_only_one()["event"] == "uncaught_exception"
    assert "Rosa" not in lines.getvalue()
