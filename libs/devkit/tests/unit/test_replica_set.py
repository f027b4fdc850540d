"""Addresses of a replica set."""

import pytest

from touchstone_devkit.backing.replica_set import directly


@pytest.mark.parametrize("uri", ["mongodb://a:1/", "mongodb://a:1/?directConnection=true", "mongodb://a:1?w=majority"])
def test_an_address_leads_directly_to_its_server_with_all_that_it_says_besides(uri: str) -> None:
    direct = directly(uri)

    assert direct == directly(direct)
    assert direct.count("directConnection=true") == 1
    assert ("w=majority" in direct) == ("w=majority" in uri)
