"""Every entrypoint names who may call it; nothing is open by default."""

import pytest
from marshmallow import Schema

from touchstone_chassis.api import command, on_message, query
from touchstone_contracts.roles import MEMBER, PUBLIC, SECRETARIAT


@pytest.mark.parametrize("roles", [(), ("nobody",), (SECRETARIAT, "nobody"), PUBLIC, (*PUBLIC, MEMBER)], ids=str)
def test_a_command_for_nobody_for_unknown_roles_or_for_the_public_cannot_be_declared(roles):
    with pytest.raises(TypeError):
        command(Schema(), roles=roles)
    with pytest.raises(TypeError):
        on_message("queue", Schema(), roles=roles, refused="refused")


@pytest.mark.parametrize("roles", [(), ("nobody",), (*PUBLIC, MEMBER)], ids=str)
def test_a_query_for_nobody_or_for_unknown_roles_cannot_be_declared(roles):
    with pytest.raises(TypeError):
        query(Schema(), roles=roles)


def test_roles_must_be_given():
    with pytest.raises(TypeError):
        command(Schema())  # type: ignore[call-arg]
