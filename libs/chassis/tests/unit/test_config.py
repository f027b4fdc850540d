"""The config of a service: substitution, defaults, and everything that is wrong with it in one error."""

from pathlib import Path
from typing import Any

import pytest

from touchstone_chassis.config import ConfigError, check_files, for_nameko, load, redact

COMPLETE = """
AMQP_URI: ${AMQP_URI}
MONGO_URI: ${MONGO_URI}
database: ${TOUCHSTONE_DATABASE_PREFIX:touchstone}_certification
jwks_path: ${TOUCHSTONE_JWKS}
event_keys_path: ${TOUCHSTONE_EVENT_KEYS}
signing_key_path: ${CERTIFICATION_SIGNING_KEY}
audience: touchstone
issuers: ${TOUCHSTONE_ISSUERS:touchstone-dev}
http_host: ${TOUCHSTONE_HTTP_HOST:127.0.0.1}
http_port: ${CERTIFICATION_HTTP_PORT:8103}
"""
ENVIRON = {
    "AMQP_URI": "amqp://guest:se#cret@127.0.0.1:5672/",
    "MONGO_URI": "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    "TOUCHSTONE_JWKS": "/run/jwks.json",
    "TOUCHSTONE_EVENT_KEYS": "/run/event-keys.json",
    "CERTIFICATION_SIGNING_KEY": "/run/signing-key.json",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def loaded(folder: Path, text: str, **environ: str) -> dict[str, Any]:
    path = folder / "config.yaml"
    path.write_text(text)
    return load(str(path), {**ENVIRON, **environ})


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environ)
    return [problem.removeprefix(f"{folder}/config.yaml: ") for problem in caught.value.problems]


def test_what_the_file_leaves_out_has_its_default(folder: Path) -> None:
    config = loaded(folder, COMPLETE)

    assert config == {
        "AMQP_URI": "amqp://guest:se#cret@127.0.0.1:5672/",
        "MONGO_URI": "mongodb://127.0.0.1:27017/?replicaSet=rs0",
        "database": "touchstone_certification",
        "jwks_path": "/run/jwks.json",
        "amqp_credentials_path": None,
        "mongo_credentials_path": None,
        "event_keys_path": "/run/event-keys.json",
        "signing_key_path": "/run/signing-key.json",
        "unsigned_events": "refuse",
        "audience": "touchstone",
        "issuers": ["touchstone-dev"],
        "http_host": "127.0.0.1",
        "http_port": 8103,
        "sandbox": False,
        "run_deadlines": True,
        "max_workers": 64,
        "prefetch": 64,
        "heartbeat_s": 30,
        "drain_s": 25,
        "confirm_timeout_s": 5,
        "sweep_interval_s": 1,
        "outbox_lag_limit_s": 60,
        "in_step_limit_s": 60,
        "log_level": "info",
        "rpc_timeout_default_s": 30,
        "message_bytes_max": 1_048_576,
        "retry_delays_s": [1, 5, 30, 120, 600],
        "settings": {},
    }


def test_the_environment_replaces_defaults_and_is_read_as_yaml(folder: Path) -> None:
    config = loaded(
        folder,
        COMPLETE + "sandbox: ${SANDBOX:false}\nretry_delays_s: ${DELAYS:[1]}\nsettings: {smtp: ['${SMTP:x}']}\n",
        CERTIFICATION_HTTP_PORT="9000",
        SANDBOX="true",
        DELAYS="[1, 5]",
        SMTP="mail.example:25",
        TOUCHSTONE_ISSUERS="first, second",
        TOUCHSTONE_DATABASE_PREFIX="2026",
    )

    assert config["http_port"] == 9000
    assert config["sandbox"] is True
    assert config["retry_delays_s"] == [1, 5]
    assert config["settings"] == {"smtp": ["mail.example:25"]}
    assert config["issuers"] == ["first", "second"]
    assert config["database"] == "2026_certification"


def test_everything_that_is_wrong_is_said_at_once(folder: Path) -> None:
    text = COMPLETE.replace("AMQP_URI: ${AMQP_URI}\n", "").replace("${TOUCHSTONE_JWKS}", "${NOWHERE}") + (
        "htpp_port: 1\nmax_workers: many\nprefetch: true\ndrain_s: 0\nlog_level: loud\nsandbox: 'yes'\n"
    )

    assert sorted(problems(folder, text, CERTIFICATION_HTTP_PORT="70000")) == [
        "AMQP_URI: is missing",
        "drain_s: must be greater than 0.",
        "htpp_port: is no known key",
        "http_port: must be greater than or equal to 0 and less than or equal to 65535.",
        "jwks_path: the environment variable NOWHERE is not set",
        "log_level: must be one of: debug, info, warning, error.",
        "max_workers: not a valid integer.",
        "prefetch: not a valid integer.",
        "sandbox: not a valid boolean.",
    ]


def test_no_problem_quotes_a_value(folder: Path) -> None:
    found = problems(
        folder,
        COMPLETE + "settings: pa55word\nmax_workers: pa55word\n",
        AMQP_URI="http://user:pa55word@broker",
        MONGO_URI="[pa55word]",
        TOUCHSTONE_DATABASE_PREFIX="pa55/word",
    )

    assert len(found) == 5
    assert "pa55" not in "".join(found)


def test_the_broker_may_have_several_addresses(folder: Path) -> None:
    several = "amqp://guest:guest@one:5001,two,three:5003/vhost"

    assert loaded(folder, COMPLETE, AMQP_URI=several)["AMQP_URI"] == several


def test_a_broker_address_with_an_empty_host_is_refused(folder: Path) -> None:
    found = problems(folder, COMPLETE, AMQP_URI="amqp://guest:pa55word@one,/")

    assert found == ["AMQP_URI: must be an address of one broker: host 2 of 2 is not of the form host or host:port."]


def test_an_empty_variable_counts_as_not_set(folder: Path) -> None:
    assert problems(folder, COMPLETE, AMQP_URI="") == ["AMQP_URI: the environment variable AMQP_URI is not set"]
    assert loaded(folder, COMPLETE, CERTIFICATION_HTTP_PORT="")["http_port"] == 8103


def test_keys_and_what_variables_hold_are_not_expanded(folder: Path) -> None:
    config = loaded(folder, COMPLETE + "settings: {'${AMQP_URI}': '${OUTER}'}\n", OUTER="${AMQP_URI}")

    assert config["settings"] == {"${AMQP_URI}": "${AMQP_URI}"}


def test_a_value_that_is_no_yaml_is_taken_as_text(folder: Path) -> None:
    for odd in ("%{x", "[" * 500):
        assert loaded(folder, COMPLETE + "settings: {password: '${PW}'}", PW=odd)["settings"] == {"password": odd}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("audience: a\naudience: b\n", "is no YAML in line 1 (key audience stands twice)"),
        ("- a\n", "must be a mapping of keys to values"),
        ("", "must be a mapping of keys to values"),
        ("a: [\n", "is no YAML in line 2"),
        ("a: " + "[" * 500, "is nested too deeply"),
    ],
)
def test_a_file_of_another_form_is_one_clear_problem(folder: Path, text: str, problem: str) -> None:
    (found,) = problems(folder, text)

    assert found.startswith(problem)


def test_a_missing_file_is_a_config_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load(str(folder / "none.yaml"), {})


def test_a_user_of_the_brokers_own_comes_from_a_file(folder: Path) -> None:
    (folder / "amqp").write_text("touchstone-certification:s3/cret\n")
    text = COMPLETE + f"amqp_credentials_path: {folder / 'amqp'}\n"

    config = for_nameko(loaded(folder, text, AMQP_URI="amqps://one:5671,two/vhost"), "certification")

    assert config["AMQP_URI"] == "amqps://touchstone-certification:s3%2Fcret@one:5671,two/vhost"


def test_a_user_of_the_databases_own_comes_from_a_file(folder: Path) -> None:
    (folder / "mongo").write_text("touchstone-certification:s3/cret\n")
    text = COMPLETE + f"mongo_credentials_path: {folder / 'mongo'}\n"
    uri = "mongodb://root:pa55word@one,two:5001/?authMechanism=PLAIN&replicaSet=rs0"

    config = for_nameko(loaded(folder, text, MONGO_URI=uri), "certification")

    assert config["MONGO_URI"] == (
        "mongodb://touchstone-certification:s3%2Fcret@one,two:5001/?replicaSet=rs0&authSource=admin"
    )


@pytest.mark.parametrize("content", [b"", b"touchstone-certification", b"user:", b"\xff:\xff"])
def test_a_file_without_a_user_is_a_config_error_that_does_not_quote_it(folder: Path, content: bytes) -> None:
    (folder / "users").write_bytes(content)
    text = COMPLETE + "".join(f"{name}_credentials_path: {folder / 'users'}\n" for name in ("amqp", "mongo"))
    (folder / "key").write_text("{}")
    keys = dict.fromkeys(("TOUCHSTONE_JWKS", "TOUCHSTONE_EVENT_KEYS", "CERTIFICATION_SIGNING_KEY"), str(folder / "key"))

    with pytest.raises(ConfigError) as raised:
        check_files(loaded(folder, text, **keys))

    assert raised.value.problems == [
        f"{name}_credentials_path: {folder / 'users'} is not of the form user:password" for name in ("amqp", "mongo")
    ]


def test_missing_key_files_are_a_config_error_that_names_each(folder: Path) -> None:
    credentials = ("amqp_credentials_path", "mongo_credentials_path")
    named = ("jwks_path", "event_keys_path", "signing_key_path", *credentials)
    (folder / "event_keys_path").touch()

    with pytest.raises(ConfigError) as raised:
        check_files({name: str(folder / name) for name in named})

    assert raised.value.problems == [
        f"{name}: {folder / name} cannot be read (No such file or directory)"
        for name in ("jwks_path", "signing_key_path", *credentials)
    ]


def test_nameko_gets_its_own_names_for_what_we_call_otherwise(folder: Path) -> None:
    config = for_nameko(loaded(folder, COMPLETE), "certification")

    assert (config["service"], config["HEARTBEAT"], config["PREFETCH_COUNT"]) == ("certification", 30, 64)
    assert config["DECLARE_EVENT_EXCHANGES"] is False


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("amqp://guest:secret@127.0.0.1:5672/v", "amqp://***@127.0.0.1:5672/v"),
        ("mongodb://u:p@ss@a:1,b:2/?replicaSet=rs0", "mongodb://***@a:1,b:2/?replicaSet=rs0"),
        ("amqp://127.0.0.1/", "amqp://127.0.0.1/"),
        ("cannot reach amqps://u:p@host now", "cannot reach amqps://***@host now"),
    ],
)
def test_an_address_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert redact(uri) == shown
