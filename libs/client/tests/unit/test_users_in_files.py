"""The command line takes the user of broker and database from files, and says what is wrong with one."""

from pathlib import Path

import pytest
import typer

from touchstone.cli.context import Session, database_uri

BAD = {"a folder": None, "no password": "someone", "empty": ""}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for server in ("AMQP", "MONGO"):
        monkeypatch.setenv(f"TOUCHSTONE_{server}_CREDENTIALS", str(tmp_path / "file"))
    return tmp_path / "file"


def test_the_user_in_the_file_takes_the_place_of_the_one_in_the_address(file: Path) -> None:
    file.write_text("operator:s3/cret\n")

    assert Session(given_uri="amqp://guest:guest@host/").amqp_uri == "amqp://operator:s3%2Fcret@host/"
    assert database_uri("mongodb://host/?replicaSet=rs0") == (
        "mongodb://operator:s3%2Fcret@host/?replicaSet=rs0&authSource=admin"
    )


def test_without_a_file_an_address_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOUCHSTONE_MONGO_CREDENTIALS", raising=False)

    assert database_uri("mongodb://a:b@host/") == "mongodb://a:b@host/"


def test_without_an_address_the_option_is_named(file: Path) -> None:
    with pytest.raises(typer.BadParameter, match="--mongo-uri"):
        database_uri(None)


@pytest.mark.parametrize("what", BAD)
def test_a_file_without_a_user_is_wrong_usage_that_names_the_variable(file: Path, what: str) -> None:
    content = BAD[what]
    file.mkdir() if content is None else file.write_text(content)

    with pytest.raises(typer.BadParameter, match="TOUCHSTONE_MONGO_CREDENTIALS"):
        database_uri("mongodb://host/")
    with pytest.raises(typer.BadParameter, match="TOUCHSTONE_AMQP_CREDENTIALS"):
        _ = Session(given_uri="amqp://host/").amqp_uri
