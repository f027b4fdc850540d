"""RabbitMQ and MongoDB as containers of a Docker engine, started with testcontainers."""

import contextlib
import socket
from typing import Any

import docker as engine
from docker.errors import DockerException, ImageNotFound

from touchstone_devkit.backing import replica_set
from touchstone_devkit.backing.broker import wait_until_broker_answers
from touchstone_devkit.backing.sources import Announce, Servers, Unavailable
from touchstone_devkit.processes.leftovers import Ledger

RABBITMQ_IMAGE = "rabbitmq:4-management"
MONGODB_IMAGE = "mongo:8.0"
ENGINE_TIMEOUT_S = 10
START_TIMEOUT_S = 90


def start(ledger: Ledger, announce: Announce) -> Servers:
    """Raises Unavailable where no engine answers, an image cannot be had, or a server does not start."""
    why = look_for_engine(announce)
    containers: list[Any] = []

    def stop() -> None:
        while containers:
            container = containers.pop()
            container_id = container.get_container_id()
            with contextlib.suppress(DockerException):
                container.stop()
            ledger.remove_container(container_id)

    try:
        amqp_uri, management_uri = _start_rabbitmq(containers, ledger)
        mongo_uri = _start_mongodb(containers, ledger)
    except (DockerException, OSError, RuntimeError) as error:
        stop()
        raise Unavailable(f"the engine could not run the images: {_one_line(error)}") from error
    return Servers(amqp_uri=amqp_uri, mongo_uri=mongo_uri, management_uri=management_uri, why=why, stop=stop)


def look_for_engine(announce: Announce) -> str:
    """Finds an engine and both images, pulled if need be, and says so. Raises Unavailable."""
    try:
        client = engine.from_env(timeout=ENGINE_TIMEOUT_S)
        client.ping()
    except (DockerException, OSError) as error:
        raise Unavailable("no Docker engine answers") from error
    pulled = [image for image in (RABBITMQ_IMAGE, MONGODB_IMAGE) if _pull_if_missing(client, image, announce)]
    client.close()
    return f"an engine answers and {'could pull' if pulled else 'has'} {RABBITMQ_IMAGE} and {MONGODB_IMAGE}"


def _pull_if_missing(client: Any, image: str, announce: Announce) -> bool:
    try:
        client.images.get(image)
        return False
    except ImageNotFound:
        pass
    try:
        client.images.get_registry_data(image)  # answers soon whether a pull can work at all
        announce(f"pulling {image} ...")
        engine.from_env(timeout=600).images.pull(image)
    except (DockerException, OSError) as error:
        raise Unavailable(f"a Docker engine answers, but {image} is not there and cannot be pulled") from error
    return True


def _run(
    image: str, containers: list[Any], ledger: Ledger, *, ports: list[int], command: list[str] | None = None
) -> Any:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # the keeper of the run ends containers; it needs no image of its own
    container = DockerContainer(image)
    local = _engine_is_here()
    if command:
        container.with_command(command)
    for port in ports:
        published: Any = ("127.0.0.1", None) if local else None  # a free port, of loopback alone where it is shared
        container.ports[f"{port}/tcp"] = published
    container.with_kwargs(labels={"touchstone.run": str(ledger.folder)})
    container.start()
    containers.append(container)
    ledger.add_container(container.get_container_id())
    return container


def _engine_is_here() -> bool:
    """False for an engine on another machine, or outside the container that we run in: then loopback is not shared."""
    with contextlib.closing(engine.from_env(timeout=ENGINE_TIMEOUT_S)) as client:
        return bool(client.info()["Name"] == socket.gethostname())


def _host(container: Any) -> str:
    return "127.0.0.1" if _engine_is_here() else container.get_container_host_ip()


def _start_rabbitmq(containers: list[Any], ledger: Ledger) -> tuple[str, str]:
    container = _run(RABBITMQ_IMAGE, containers, ledger, ports=[5672, 15672])
    host = _host(container)
    amqp_uri = f"amqp://guest:guest@{host}:{container.get_exposed_port(5672)}/"
    wait_until_broker_answers(amqp_uri, timeout_s=START_TIMEOUT_S)
    return amqp_uri, f"http://guest:guest@{host}:{container.get_exposed_port(15672)}"


def _start_mongodb(containers: list[Any], ledger: Ledger) -> str:
    command = ["mongod", "--bind_ip_all", *replica_set.ARGUMENTS]
    container = _run(MONGODB_IMAGE, containers, ledger, ports=[27017], command=command)
    address = f"{_host(container)}:{container.get_exposed_port(27017)}"
    return replica_set.initiate(address, member="127.0.0.1:27017", timeout_s=START_TIMEOUT_S)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
