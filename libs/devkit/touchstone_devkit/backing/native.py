"""RabbitMQ and MongoDB as native processes on free ports of loopback."""

from touchstone_devkit.backing.broker_nodes import Brokers
from touchstone_devkit.backing.mongo_members import MongoMembers
from touchstone_devkit.backing.sources import Announce, Servers, Unavailable
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.running import ProcessDidNotStart


def start(ledger: Ledger, announce: Announce) -> Servers:
    """Raises Unavailable where one of the programs can neither be found nor downloaded, or does not start."""
    broker, mongo = Brokers(ledger, announce, 1), MongoMembers(ledger, announce, 1)
    try:
        return start_all(broker, mongo)
    except (ProcessDidNotStart, TimeoutError) as error:
        raise Unavailable(f"the native processes did not start: {error}") from error


def start_all(broker: Brokers, mongo: MongoMembers) -> Servers:
    """Starts every node and member. Raises ProcessDidNotStart or TimeoutError."""

    def stop() -> None:
        broker.stop()
        mongo.stop()

    mongo.start()
    broker.start()
    return Servers(
        amqp_uri=broker.amqp_uri,
        mongo_uri=mongo.uri,
        management_uri=broker.management_uri,
        why=f"{broker.origin}; {mongo.origin}",
        stop=stop,
    )
