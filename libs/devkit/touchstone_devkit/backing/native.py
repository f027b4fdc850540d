"""RabbitMQ and MongoDB as native processes on free ports of loopback."""

from touchstone_devkit.backing import native_mongodb, native_rabbitmq
from touchstone_devkit.backing.sources import Announce, Servers, Unavailable
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.running import ProcessDidNotStart


def start(ledger: Ledger, announce: Announce) -> Servers:
    """Raises Unavailable where one of the programs can neither be found nor downloaded, or does not start."""
    native_rabbitmq.find(announce)  # both must be there before either is started
    native_mongodb.find(announce)
    try:
        mongo_uri, mongod, mongod_origin = native_mongodb.start(ledger, announce)
        try:
            broker = native_rabbitmq.start(ledger, announce)
        except BaseException:
            mongod.stop()
            raise
    except (ProcessDidNotStart, TimeoutError) as error:
        raise Unavailable(f"the native processes did not start: {error}") from error

    def stop() -> None:
        broker.stop()
        mongod.stop()

    return Servers(
        amqp_uri=broker.amqp_uri,
        mongo_uri=mongo_uri,
        management_uri=broker.management_uri,
        why=f"{broker.origin}; {mongod_origin}",
        stop=stop,
    )
