import pytest

from touchstone_devkit.backing import environment
from touchstone_devkit.backing.sources import Unavailable, hosts_and_ports


def test_without_addresses_the_environment_gives_nothing() -> None:
    with pytest.raises(Unavailable, match="AMQP_URI and MONGO_URI are not set"):
        environment.start({})


def test_with_one_address_the_other_is_named_as_missing() -> None:
    with pytest.raises(Unavailable, match=r"^MONGO_URI is not set$"):
        environment.start({"AMQP_URI": "amqp://broker/"})


@pytest.mark.parametrize(
    ("uri", "default_port", "expected"),
    [
        ("amqp://guest:guest@broker:5673/vhost", 5672, ("broker", 5673)),
        ("amqp://broker", 5672, ("broker", 5672)),
        ("mongodb://u:p@one:27018,two:27019/?replicaSet=rs0", 27017, ("one", 27018)),
        ("mongodb://[::1]:27018/", 27017, ("::1", 27018)),
    ],
)
def test_host_and_port_are_those_of_the_first_host(uri: str, default_port: int, expected: tuple[str, int]) -> None:
    assert hosts_and_ports(uri, default_port)[0] == expected
