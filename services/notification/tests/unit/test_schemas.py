import copy
import pathlib
from typing import Any

import pytest

from notification.data.delivery_ladder import DELAYS_S
from notification.schemas.notices import ListNotices, SendNoticesAgain
from notification.schemas.settings import SettingsSchema
from notification.service import NotificationService
from touchstone_chassis.config import ConfigError, load
from touchstone_chassis.runtime.settings import validated
from touchstone_chassis.validation import load as load_request
from touchstone_contracts.errors import InvalidRequest

CONFIG = pathlib.Path(__file__).parents[2] / "config.yaml"
ENVIRON = {
    "AMQP_URI": "amqp://localhost",
    "MONGO_URI": "mongodb://localhost",
    "TOUCHSTONE_JWKS": "jwks.json",
    "TOUCHSTONE_EVENT_KEYS": "event-keys.json",
    "NOTIFICATION_SIGNING_KEY": "signing-key.json",
}


def the_settings(**environ: str) -> dict[str, Any]:
    return load(str(CONFIG), ENVIRON | environ)["settings"]


def test_the_config_file_is_complete_by_itself() -> None:
    settings = validated(SettingsSchema(), the_settings())

    assert settings["retry_delays_s"] == DELAYS_S
    assert settings["smtp"]["timeout_s"] == 10
    assert settings["register_url"] is None


def test_a_password_is_never_sent_in_the_clear() -> None:
    with pytest.raises(ConfigError) as error:
        validated(SettingsSchema(), the_settings(TOUCHSTONE_SMTP_USER="touchstone"))

    assert "tls" in str(error.value)


def test_a_user_with_tls_is_welcome() -> None:
    settings = the_settings(TOUCHSTONE_SMTP_USER="touchstone", TOUCHSTONE_SMTP_TLS="starttls")

    assert validated(SettingsSchema(), settings)["smtp"]["user"] == "touchstone"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["smtp", "tls"], "sometimes"),
        (["smtp", "port"], 0),
        (["smtp", "exchange_s_max"], 60),
        (["smtp", "password"], "secret"),
        (["sender"], "nobody"),
        (["sender_name"], "Register\nBcc: x@example.org"),
        (["sender_name"], "\u202eretsigeR"),
        (["sender_name"], "\u200b"),
        (["message_id_domain"], "a b"),
        (["register_url"], "javascript:alert(1)"),
        (["retry_delays_s"], [0]),
        (["batch"], 0),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(where: list[str], value: Any) -> None:
    settings = copy.deepcopy(the_settings())
    place = settings
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value

    with pytest.raises(ConfigError):
        validated(SettingsSchema(), settings)


@pytest.mark.parametrize(
    "request_",
    [
        {"limit": 0},
        {"limit": 201},
        {"party": "qatalum"},
        {"party": {"kind": "planet", "id": "x"}},
        {"state": "lost"},
        {"audit_id": {"$gt": ""}},
        {"after": {"$gt": ""}},
        {"colour": "red"},
    ],
)
def test_a_question_of_the_wrong_form_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        load_request(ListNotices(), request_)


@pytest.mark.parametrize(
    "request_", [{}, {"notice_id": "n", "contact_id": "cc"}, {"notice_id": ""}, {"contact_id": "cc", "limit": 0}]
)
def test_what_is_to_be_sent_again_is_named_in_one_way(request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        load_request(SendNoticesAgain(), request_)


def test_one_index_guards_that_a_person_is_told_of_an_event_once() -> None:
    unique = [index for index in NotificationService.topology.indexes if index.unique and index.collection == "notices"]

    assert [key for key, _ in unique[0].keys] == ["about", "contact_id"]
