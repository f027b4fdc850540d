"""Each broker user may do what it needs and nothing that would let it read or speak for others; shown by trying."""

import contextlib
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import pytest

from touchstone.auth.keys import KeyUnusable
from touchstone.provisioning.broker_plan import broker_plan
from touchstone.provisioning.credentials import user_name
from touchstone.provisioning.management import Management
from touchstone.provisioning.provision import ProvisioningFailed, installed_topologies, provision_broker
from touchstone.provisioning.users import OUTSIDE, provision_users
from touchstone.rpc.blocking import BrokerRefused, Channel, open_connection
from touchstone_contracts import topology as names
from touchstone_contracts.addresses import with_credentials
from touchstone_contracts.services import SERVICES

PREFIX = f"rights-{uuid.uuid4().hex[:6]}"
BODY, MEMBER = "a-body", "a-member"
ACCEPTED = "audit_accepted.v1"
CONTACT = "contact_changed.v1"
"""The one event with personal details."""


@pytest.fixture(scope="module")
def broker(backing: Any) -> Iterator[str]:
    """The address of a virtual host with everything that services need."""
    if not backing.management_uri:
        pytest.skip("users are made by the management API, which this broker does not have")
    management = Management(backing.amqp_uri, backing.management_uri)
    vhost = f"rights-{uuid.uuid4().hex[:6]}"
    management.ask("PUT", "vhosts", vhost)
    admin = pika.URLParameters(backing.amqp_uri).credentials.username
    management.ask("PUT", "permissions", vhost, admin, configure=".*", write=".*", read=".*")
    uri = backing.amqp_uri.rpartition("/")[0] + f"/{vhost}"
    provision_broker(uri, broker_plan(installed_topologies()))
    yield uri
    management.ask("DELETE", "vhosts", vhost)
    for who in (*SERVICES, BODY, MEMBER):
        with contextlib.suppress(OSError):
            management.ask("DELETE", "users", user_name(PREFIX, who))


@pytest.fixture(scope="module")
def uris(broker: str, backing: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By user, the address with its name and password."""
    folder = tmp_path_factory.mktemp("users")
    made = provision_users(broker, PREFIX, folder, outsiders=[BODY, MEMBER], management_uri=backing.management_uri)
    assert set(made) == {user_name(PREFIX, who) for who in (*SERVICES, BODY, MEMBER)}
    return {who: with_credentials(broker, (folder / who / "amqp").read_text()) for who in (*SERVICES, BODY, MEMBER)}


Deed = Callable[[Channel], Any]


def publish(exchange: str, routing_key: str) -> Deed:
    def deed(channel: Channel) -> None:
        channel.confirm_delivery()
        with contextlib.suppress(pika.exceptions.UnroutableError):
            channel.basic_publish(exchange, routing_key, b"{}", mandatory=True)

    return deed


def get(queue: str) -> Deed:
    return lambda channel: channel.basic_get(queue)


def declare(queue: str) -> Deed:
    return lambda channel: channel.queue_declare(queue, exclusive=True)


def declare_exchange(name: str) -> Deed:
    return lambda channel: channel.exchange_declare(name, "fanout")


def bind(own: str, exchange: str, routing_key: str) -> Deed:
    def deed(channel: Channel) -> None:
        channel.queue_declare(own, exclusive=True)
        channel.queue_bind(own, exchange, routing_key)

    return deed


def may(uri: str, deed: Deed) -> bool:
    with open_connection(uri) as connection:
        try:
            deed(connection.channel())
        except pika.exceptions.ChannelClosedByBroker as refused:
            assert refused.reply_code == 403, refused
            return False
        return True


def own(who: str, name: str = "mine") -> str:
    return f"{names.reply_prefix(user_name(PREFIX, who))}{name}"


def forbidden_to_a_service(service: str) -> dict[str, Deed]:
    others = [other for other in SERVICES if other != service]
    return {
        "publish anything to any queue": publish("", names.rpc_queue(service)),
        "declare a queue": declare(f"{service}.mine"),
        "declare an exchange": declare_exchange(f"{service}.mine"),
        "call another service": publish(names.RPC_EXCHANGE, f"{others[0]}.list_dead_letters"),
        "call itself": publish(names.RPC_EXCHANGE, f"{service}.list_dead_letters"),
        **{f"announce for {other}": publish(names.events_exchange(other), "x.v1") for other in others},
        **{f"retry for {other}": publish(names.retry_queue(other, 1), "x") for other in others},
        **{f"give up for {other}": publish(names.dead_letter(other), "x") for other in others},
        **{f"put into queues of {other}": publish(names.own_queues(other), names.rpc_queue(other)) for other in others},
        **{f"return to queues of {other}": publish(names.returned(other), names.rpc_queue(other)) for other in others},
        **{f"read calls to {other}": get(names.rpc_queue(other)) for other in others},
        **{f"read dead letters of {other}": get(names.dead_letter(other)) for other in others},
    }


def forbidden_outside(who: str) -> dict[str, Deed]:
    return {
        "hear all calls": bind(own(who), names.RPC_EXCHANGE, "#"),
        "hear calls to a service": bind(own(who), names.RPC_EXCHANGE, "certification.*"),
        "hear another's answers": bind(own(who), names.RPC_EXCHANGE, own(MEMBER if who == BODY else BODY)),
        "answer in a service's place": publish(names.RPC_EXCHANGE, own(MEMBER if who == BODY else BODY)),
        "declare a queue of another name": declare("mine"),
        "declare a queue in another's name": declare(own(MEMBER if who == BODY else BODY)),
        "declare an exchange": declare_exchange("mine"),
        "hear of addresses": bind(own(who), names.events_exchange("membership"), CONTACT),
        "hear all events": bind(own(who), names.events_exchange("membership"), "#"),
        "put something into any queue": publish("", names.event_queue("certification", f"assessment.{ACCEPTED}")),
        **{f"announce for {service}": publish(names.events_exchange(service), ACCEPTED) for service in SERVICES},
        **{f"retry for {service}": publish(names.retry_queue(service, 1), "x") for service in SERVICES},
        **{f"give up for {service}": publish(names.dead_letter(service), "x") for service in SERVICES},
        **{f"put into queues of {service}": publish(names.own_queues(service), "x") for service in SERVICES},
        **{f"return to queues of {service}": publish(names.returned(service), "x") for service in SERVICES},
        **{f"read calls to {service}": get(names.rpc_queue(service)) for service in SERVICES},
        **{f"read dead letters of {service}": get(names.dead_letter(service)) for service in SERVICES},
        "read what is handed in": get("assessment.intake"),
        "read a service's events": get(names.event_queue("certification", f"assessment.{ACCEPTED}")),
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_do_nothing_in_the_place_of_another(uris: dict[str, str], service: str) -> None:
    forbidden = forbidden_to_a_service(service)

    assert [deed for deed, tried in forbidden.items() if may(uris[service], tried)] == []
    assert len(forbidden) > 20


@pytest.mark.parametrize("who", [BODY, MEMBER])
def test_whoever_is_outside_neither_hears_nor_speaks_for_others(uris: dict[str, str], who: str) -> None:
    forbidden = forbidden_outside(who)

    assert [deed for deed, tried in forbidden.items() if may(uris[who], tried)] == []


def test_what_is_forbidden_can_be_done_by_whoever_has_all_rights(broker: str) -> None:
    """Else a typing error would pass for a refusal."""
    deeds = {**forbidden_to_a_service("certification"), **forbidden_outside(BODY)}

    assert [deed for deed, tried in deeds.items() if not may(broker, tried)] == []


@pytest.mark.parametrize("topology", installed_topologies(), ids=lambda topology: topology.service)
def test_a_service_can_do_what_it_has_to(uris: dict[str, str], topology: Any) -> None:
    service = topology.service
    queues = [names.rpc_queue(service), names.dead_letter(service), *topology.queues]
    queues += [names.event_queue(service, event.type_name) for event in topology.receives]
    deeds = {
        **{f"read {queue}": get(queue) for queue in queues},
        **{f"put into {queue}": publish(names.own_queues(service), queue) for queue in queues},
        "announce": publish(names.events_exchange(service), "something.v1"),
        "give up": publish(names.dead_letter(service), queues[0]),
        "answer": publish(names.RPC_EXCHANGE, own(BODY)),
        "answer whoever has a queue of another name": publish(names.RPC_EXCHANGE, uuid.uuid4().hex),
        **{f"retry in {s} s": publish(names.retry_queue(service, s), queues[0]) for s in names.RETRY_DELAYS_S},
        "look at the length of a retry queue": lambda channel: channel.queue_declare(
            names.retry_queue(service, 1), passive=True
        ),
    }

    assert [deed for deed, tried in deeds.items() if not may(uris[service], tried)] == []


def test_whoever_is_outside_can_call_hand_in_and_listen(uris: dict[str, str]) -> None:
    deeds = {
        "declare a queue for answers and hear them": bind(own(BODY), names.RPC_EXCHANGE, own(BODY)),
        "call": publish(names.RPC_EXCHANGE, "certification.get_certificate"),
        "hand in": publish("assessment.intake", ""),
        "hear of acceptances": bind(own(BODY), names.events_exchange("assessment"), ACCEPTED),
        "see whether a service was provisioned": lambda channel: channel.exchange_declare(
            names.events_exchange("assessment"), passive=True
        ),
    }

    assert [deed for deed, tried in deeds.items() if not may(uris[BODY], tried)] == []


def test_a_user_of_one_installation_is_none_of_another(uris: dict[str, str], backing: Any) -> None:
    elsewhere = uris[BODY].rpartition("/")[0] + "/" + backing.amqp_uri.rpartition("/")[2]

    with pytest.raises(BrokerRefused), open_connection(elsewhere):
        pass


def test_a_password_is_kept_and_a_file_that_is_gone_gets_another(broker: str, backing: Any, tmp_path: Path) -> None:
    def again() -> str:
        provision_users(broker, PREFIX, tmp_path, outsiders=[OUTSIDE], management_uri=backing.management_uri)
        return (tmp_path / "outside/amqp").read_text()

    first, second = again(), again()
    (tmp_path / "outside/amqp").unlink()
    third = again()

    with open_connection(with_credentials(broker, third)):
        pass
    with pytest.raises(BrokerRefused), open_connection(with_credentials(broker, first)):
        pass
    assert first == second != third
    assert stat.S_IMODE((tmp_path / "outside/amqp").stat().st_mode) == 0o600


def test_passwords_are_not_written_where_git_would_find_them(broker: str, backing: Any) -> None:
    here = Path(__file__).parent / "passwords"

    with pytest.raises(KeyUnusable):
        provision_users(broker, PREFIX, here, management_uri=backing.management_uri)
    assert not here.exists()


def test_a_broker_without_a_management_api_is_said(broker: str, tmp_path: Path) -> None:
    with pytest.raises(ProvisioningFailed, match="management API cannot make users"):
        provision_users(broker, PREFIX, tmp_path, management_uri="http://guest:guest@127.0.0.1:9")
