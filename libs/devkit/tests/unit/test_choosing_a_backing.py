from collections.abc import Callable
from typing import Any, cast

import pytest

from touchstone_devkit.backing.choosing import ORDER, NoBacking, choose
from touchstone_devkit.backing.sources import Announce, Servers, Unavailable
from touchstone_devkit.processes.leftovers import Ledger


class NoLedger:
    def close(self) -> None:
        pass


def some_servers(why: str) -> Servers:
    return Servers(amqp_uri="amqp://", mongo_uri="mongodb://", management_uri=None, why=why, stop=lambda: None)


def sources(available: tuple[str, ...], asked: list[str] | None = None) -> dict[str, Any]:
    def source(name: str) -> Callable[[Ledger, Announce], Servers]:
        def start(ledger: Ledger, announce: Announce) -> Servers:
            if asked is not None:
                asked.append(name)
            if name not in available:
                raise Unavailable(f"no {name} here")
            return some_servers(f"{name} is here")

        return start

    return {name: source(name) for name in ORDER}


def chosen(available: tuple[str, ...], forced: str | None = None, asked: list[str] | None = None) -> tuple[str, str]:
    said: list[str] = []
    ledger = cast(Ledger, NoLedger())
    with choose(sources(available, asked), ledger, forced=forced, announce=said.append) as backing:
        assert len(said) == 1
        return backing.kind, said[0]


def test_addresses_in_the_environment_come_before_docker_and_docker_before_native_processes() -> None:
    assert chosen(("environment", "docker", "native"))[0] == "environment"
    assert chosen(("docker", "native"))[0] == "docker"
    assert chosen(("native",))[0] == "native"


def test_what_comes_later_in_the_order_is_not_even_asked() -> None:
    asked: list[str] = []

    chosen(("docker", "native"), asked=asked)

    assert asked == ["environment", "docker"]


def test_one_line_says_what_was_chosen_and_why() -> None:
    line = chosen(("native",))[1]

    assert "\n" not in line
    assert line.startswith("RabbitMQ and MongoDB: native (no environment here; no docker here; native is here")


def test_a_forced_source_is_taken_and_no_other_is_asked() -> None:
    asked: list[str] = []

    kind, line = chosen(("environment", "docker", "native"), forced="native", asked=asked)

    assert kind == "native"
    assert asked == ["native"]
    assert "TOUCHSTONE_BACKING=native" in line


def test_a_forced_source_that_is_not_available_is_refused_although_another_would_be() -> None:
    with pytest.raises(NoBacking, match="no native here"):
        chosen(("docker",), forced="native")


def test_an_unknown_forced_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NoBacking, match="environment, docker, native"):
        chosen(("docker",), forced="podman")


def test_where_nothing_can_be_had_one_message_says_why_of_each_and_names_the_ways_out() -> None:
    with pytest.raises(NoBacking) as caught:
        chosen(())

    message = str(caught.value)
    assert all(f"{kind}: no {kind} here" in message for kind in ORDER)
    assert "start a Docker engine" in message
    assert "apt-get install rabbitmq-server" in message
    assert "AMQP_URI=" in message


def test_addresses_that_were_given_but_do_not_answer_are_an_error_and_not_passed_over() -> None:
    def unreachable(ledger: Ledger, announce: Announce) -> Servers:
        raise ConnectionRefusedError("AMQP_URI is set, but nothing answers at 127.0.0.1:1")

    known = {**sources(("docker", "native")), "environment": unreachable}

    with pytest.raises(NoBacking, match=r"nothing answers at 127\.0\.0\.1:1.*unset AMQP_URI"):
        choose(known, cast(Ledger, NoLedger()), forced=None, announce=print)
