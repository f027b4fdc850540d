"""Broker and database that are not as the topologies say: told with the way out, and never changed by looking."""

import json
import secrets
import socketserver
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pika.exceptions
import pymongo
import pytest
import requests
from typer.testing import CliRunner

from touchstone.cli.app import app
from touchstone.provisioning.drift import CHANGE_A_QUEUE, DROP_IT, PROVISION, PROVISION_USERS, Drift, find_drift
from touchstone.provisioning.management import Management, _beside
from touchstone.provisioning.provision import installed_topologies, provision
from touchstone.provisioning.users import provision_users
from touchstone.rpc.blocking import Channel, nodes, open_connection
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import (
    Index,
    ServiceTopology,
    dead_letter,
    own_queues,
    retry_queue,
    returned,
    work_queue_arguments,
)

QUEUE = "yard.intake"
WANTED = work_queue_arguments("yard")
YARD = ServiceTopology(
    service="yard",
    consumes=[AuditAccepted],
    queues=[QUEUE],
    indexes=[
        Index(collection="lots", keys=[("place", 1)], unique=True, partial={"open": True}),
        Index(collection="lots", keys=[("mass", -1), ("_id", 1)]),
    ],
)
MISSING = ("missing", "there", PROVISION)


@pytest.fixture
def channel(amqp_uri: str) -> Iterator[Channel]:
    with open_connection(amqp_uri) as connection:
        yield connection.channel()


@pytest.fixture
def lots(backing: Any, database_prefix: str) -> Iterator[Any]:
    with pymongo.MongoClient(backing.mongo_uri) as client:
        yield client[f"{database_prefix}_yard"]["lots"]


@pytest.fixture
def look(backing: Any, amqp_uri: str, database_prefix: str) -> Callable[..., Drift]:
    """Compares with what the yard needs, which is provisioned, as the user in the address."""
    provision(amqp_uri, backing.mongo_uri, database_prefix, [YARD])
    return lambda uri=amqp_uri, management=backing.management_uri: find_drift(
        uri, backing.mongo_uri, database_prefix, [YARD], management_uri=management
    )


def told(drift: Drift) -> dict[str, tuple[str, str, str]]:
    return {deviation.what: (deviation.found, deviation.wanted, deviation.way_out) for deviation in drift.deviations}


def test_what_was_provisioned_deviates_nowhere(look, backing):
    assert look().deviations == ()
    assert bool(look().not_compared) is not bool(backing.management_uri)


@pytest.mark.parametrize(
    ("change", "found", "wanted"),
    [
        ({"x-delivery-limit": 7}, "x-delivery-limit 7", "x-delivery-limit 50"),
        (
            {"x-overflow": "drop-head", "x-dead-letter-strategy": "at-most-once"},
            "x-dead-letter-strategy at-most-once",
            "x-dead-letter-strategy at-least-once",
        ),
        (
            {"x-dead-letter-exchange": "elsewhere"},
            "x-dead-letter-exchange elsewhere",
            "x-dead-letter-exchange yard.dead-letter",
        ),
    ],
)
def test_a_queue_with_other_arguments_is_told_and_left_as_it_is(look, channel, change, found, wanted):
    channel.queue_delete(QUEUE)
    channel.queue_declare(QUEUE, durable=True, arguments=WANTED | change)
    for exchange, routing_key in ((returned("yard"), QUEUE), (own_queues("yard"), QUEUE), (QUEUE, "")):
        channel.queue_bind(QUEUE, exchange, routing_key)

    assert told(look()) == {f"queue {QUEUE}": (found, wanted, CHANGE_A_QUEUE)}
    channel.queue_declare(QUEUE, durable=True, arguments=WANTED | change)  # it is as it was


def test_an_exchange_of_another_type_is_told(look, channel):
    channel.exchange_delete("yard.events")
    channel.exchange_declare("yard.events", exchange_type="direct", durable=True)

    assert told(look())["exchange yard.events"] == ("type direct", "type topic", CHANGE_A_QUEUE)


def test_what_is_missing_is_told_and_not_made_by_looking(look, channel):
    channel.queue_delete(QUEUE)
    channel.queue_delete(retry_queue("yard", 1))
    channel.exchange_delete("yard.events")

    first, second = look(), look()

    assert told(first) == told(second)
    missing = {what for what, said in told(first).items() if said == MISSING and not what.startswith("binding")}
    assert missing == {f"queue {QUEUE}", f"queue {retry_queue('yard', 1)}", "exchange yard.events"}
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.queue_declare(QUEUE, passive=True)


def test_a_binding_that_is_missing_is_told_where_there_is_a_management_api(look, channel, backing):
    if not backing.management_uri:
        pytest.skip("without the management API nobody tells of bindings")
    queue = "yard.assessment.audit_accepted.v1"
    channel.queue_unbind(queue, "assessment.events", "audit_accepted.v1")
    channel.queue_unbind(dead_letter("yard"), dead_letter("yard"), "")
    channel.queue_unbind(QUEUE, returned("yard"), QUEUE)

    assert told(look()) == {
        f"binding yard.returned -> {QUEUE} ({QUEUE})": MISSING,
        f"binding assessment.events -> {queue} (audit_accepted.v1)": MISSING,
        "binding yard.dead-letter -> yard.dead-letter ()": MISSING,
    }


@pytest.mark.parametrize("answer", [b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
def test_whatever_answers_instead_of_a_management_api_the_rest_is_compared(look, channel, answer):
    channel.queue_delete(QUEUE)
    with socketserver.TCPServer(("127.0.0.1", 0), answering(answer)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        drift = look(management=f"http://guest:secret@127.0.0.1:{server.server_address[1]}")
        server.shutdown()

    assert told(drift) == {f"queue {QUEUE}": MISSING} and len(drift.not_compared) == 1


def answering(answer: bytes) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    return Handler


def test_a_password_of_a_broker_that_is_reached_by_tls_goes_nowhere_in_clear():
    (node,) = nodes("amqps://anna:secret@[::1]:5671/", client_name="tests")

    with pytest.raises(ValueError, match="--management-uri"):
        _beside(node.parameters)


def test_without_a_management_api_it_is_said_that_bindings_were_not_compared(look):
    drift = look(management="http://guest:secret@127.0.0.1:1")

    assert drift.deviations == ()
    (said,) = drift.not_compared
    assert said.startswith("bindings and users: the broker's management API cannot be asked") and "secret" not in said


def test_an_index_that_is_missing_and_one_that_is_otherwise_are_told(look, lots, database_prefix):
    lots.drop_index("place_1")
    lots.create_index([("place", 1)], name="place_1", unique=True)
    lots.drop_index("mass_-1__id_1")
    lots.database["inbox"].drop_index("expires_at_1")

    found = told(look())

    database = f"{database_prefix}_yard"
    assert found.pop(f"index {database}.lots.place_1") == (
        "{'key': [('place', 1)], 'unique': True}",
        "{'key': [('place', 1)], 'unique': True, 'partialFilterExpression': {'open': True}}",
        DROP_IT,
    )
    assert found == {f"index {database}.lots.mass_-1__id_1": MISSING, f"index {database}.inbox.expires_at_1": MISSING}


def test_a_user_without_the_right_to_configure_is_told_so(backing, amqp_uri, look):
    if not backing.management_uri:
        pytest.skip("without the management API there is no way to make a user")
    parts = urllib.parse.urlsplit(amqp_uri)
    user = f"u{secrets.token_hex(4)}"
    api = f"{backing.management_uri.rstrip('/')}/api"
    rights = {"configure": "^$", "write": ".*", "read": ".*"}
    requests.put(f"{api}/users/{user}", json={"password": "p", "tags": ""}, timeout=10).raise_for_status()
    requests.put(f"{api}/permissions/{parts.path[1:]}/{user}", json=rights, timeout=10).raise_for_status()

    drift = look(parts._replace(netloc=f"{user}:p@{parts.netloc.rpartition('@')[2]}").geturl())

    requests.delete(f"{api}/users/{user}", timeout=10)
    found, _, way_out = told(drift)[f"queue {QUEUE}"]
    assert found.startswith("ACCESS_REFUSED") and way_out == "ask as the user that provisions"


def test_a_broker_user_with_other_rights_is_told_with_those_that_differ(
    look, backing, amqp_uri, database_prefix, tmp_path
):
    if not backing.management_uri:
        pytest.skip("without the management API nobody tells of users")
    management, user = Management(amqp_uri, backing.management_uri), f"{database_prefix}-yard"
    made = provision_users(
        amqp_uri, database_prefix, tmp_path, topologies=[YARD], management_uri=backing.management_uri
    )

    as_declared = look()
    topic = {"exchange": "nameko-rpc", "write": ".*", "read": "^$"}
    management.ask("PUT", "topic-permissions", management.virtual_host, user, **topic)
    changed = look()
    for name in made:
        management.ask("DELETE", "users", name)

    assert as_declared.deviations == () and as_declared.not_compared == ()
    ((what, (found, wanted, way_out)),) = told(changed).items()
    assert (what, way_out) == (f"broker user {user}", PROVISION_USERS)
    assert "'nameko-rpc', '.*'" in found and "configure" not in found + wanted


def test_the_command_lists_each_deviation_and_ends_with_one_until_there_is_none(
    backing, amqp_uri, channel, database_prefix
):
    uris = ["--amqp-uri", amqp_uri, "--mongo-uri", backing.mongo_uri, "--database-prefix", database_prefix]
    if backing.management_uri:
        uris += ["--management-uri", backing.management_uri]
    queue = retry_queue(installed_topologies()[0].service, 1)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["provision", *uris, *arguments])

    before = run("--check", "--json")
    made = run()
    after = run("--check")
    channel.queue_delete(queue)
    deleted = run("--check", "--json")
    table = run("--check")

    assert before.exit_code == 3 and len(json.loads(before.stdout)["deviations"]) > 100
    assert made.exit_code == after.exit_code == 0 and "as the topologies say" in after.stdout
    assert deleted.exit_code == table.exit_code == 3
    assert {"what": f"queue {queue}", "found": "missing", "wanted": "there", "way_out": PROVISION} in json.loads(
        deleted.stdout
    )["deviations"]
    assert f"queue {queue}" in table.stdout and PROVISION in table.stdout
