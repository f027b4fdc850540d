import pytest

from touchstone_contracts.addresses import (
    AVOIDED_S,
    Addresses,
    split,
    with_credentials,
    with_database_credentials,
)

THREE = "amqp://user:p,w@one:5001,two,[::1]:5003/vhost?heartbeat=5"


def test_one_address_stays_as_it_is_whatever_it_holds() -> None:
    odd = "amqp://guest:se#cr,et@127.0.0.1:5672/"

    assert split(odd) == [odd]


def test_each_host_gets_the_user_the_virtual_host_and_the_options() -> None:
    assert split(THREE) == [
        "amqp://user:p,w@one:5001/vhost?heartbeat=5",
        "amqp://user:p,w@two/vhost?heartbeat=5",
        "amqp://user:p,w@[::1]:5003/vhost?heartbeat=5",
    ]


def test_several_hosts_need_neither_a_user_nor_a_virtual_host() -> None:
    assert split("amqps://one,two:5671") == ["amqps://one", "amqps://two:5671"]


@pytest.mark.parametrize("hosts", ["one,", ",two", "one,,two", "one:x,two", "one:0,two", "one,two:65536", "one, two"])
def test_a_host_that_is_none_is_refused_without_telling_the_password(hosts: str) -> None:
    with pytest.raises(ValueError, match="of the form host") as caught:
        split(f"amqp://user:pa55word@{hosts}/")

    assert "pa55word" not in str(caught.value)


def test_every_address_comes_first_some_time() -> None:
    addresses = Addresses(THREE)

    orders = [addresses.in_turn() for _ in range(200)]

    assert {order[0] for order in orders} == set(split(THREE))
    assert all(sorted(order) == sorted(split(THREE)) for order in orders)


def test_addresses_that_failed_come_last_and_the_latest_of_them_at_the_very_end() -> None:
    now = [1000.0]
    addresses = Addresses(THREE, now=lambda: now[0])
    one, two, three = split(THREE)
    addresses.avoid(two)
    now[0] += 1
    addresses.avoid(one)

    assert {tuple(addresses.in_turn()) for _ in range(50)} == {(three, two, one)}


def test_a_failure_is_forgotten_after_a_while() -> None:
    now = [1000.0]
    addresses = Addresses(THREE, now=lambda: now[0])
    addresses.avoid(split(THREE)[0])

    now[0] += AVOIDED_S + 1

    assert {addresses.in_turn()[0] for _ in range(200)} == set(split(THREE))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("amqp://host", "amqp://u-1:p%3A%40%2F@host"),
        ("amqp://guest:guest@host:5672/v", "amqp://u-1:p%3A%40%2F@host:5672/v"),
        ("amqps://one,two:5671/%2F?x=1", "amqps://u-1:p%3A%40%2F@one,two:5671/%2F?x=1"),
    ],
)
def test_another_user_takes_the_place_of_the_one_in_an_address(uri: str, expected: str) -> None:
    assert with_credentials(uri, "u-1:p:@/\n") == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://host", "mongodb://u-1:p%3A%40%2F@host/?authSource=admin"),
        ("mongodb://host?w=1", "mongodb://u-1:p%3A%40%2F@host/?w=1&authSource=admin"),
        (
            "mongodb://root:x@one:1,two/some?authSource=some;replicaSet=rs0",
            "mongodb://u-1:p%3A%40%2F@one:1,two/some?replicaSet=rs0&authSource=admin",
        ),
        (
            "mongodb+srv://name/?authMechanism=MONGODB-X509&tls=true",
            "mongodb+srv://u-1:p%3A%40%2F@name/?tls=true&authSource=admin",
        ),
    ],
)
def test_a_user_of_the_database_is_known_to_its_database_admin(uri: str, expected: str) -> None:
    assert with_database_credentials(uri, "u-1:p:@/\n") == expected


@pytest.mark.parametrize("credentials", ["", "user", ":password", "user:", "user\n"])
def test_what_are_no_credentials_is_refused_without_being_quoted(credentials: str) -> None:
    with pytest.raises(ValueError, match=r"not of the form user:password$"):
        with_credentials("amqp://host", credentials)
