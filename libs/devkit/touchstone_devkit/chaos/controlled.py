"""RabbitMQ and MongoDB of a test's own that it can hurt: native processes with the same ports and data after a restart.

with ControlledBacking(broker_nodes=1, mongo_members=1) as backing:     # a touchstone_devkit.backing.choosing.Backing
    with System(backing=backing) as system:
        node = backing.broker.nodes[0]
        node.kill()                             # also .term(), .freeze(), .thaw(); the first two wait for the end
        node.start()                            # returns when clients can connect
        backing.broker.memory_alarm(True)       # also .disk_alarm; False ends it
        backing.broker.close_all_connections()
        backing.broker.delete_queue("events")   # in every vhost that has it; `vhost` names one
        backing.broker.leader_of("events")      # the index of a node
        backing.mongo.members[0].freeze()       # as the nodes
        backing.mongo.primary()                 # the index of a member, waited for
        backing.mongo.step_down()

Let a second pass between declaring a quorum queue and killing the broker: RabbitMQ 3.10 writes down half a second late
that the queue exists, and one that was killed before never finds its leader again.
"""

from touchstone_devkit.backing.broker_nodes import Brokers
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.backing.mongo_members import MongoMembers
from touchstone_devkit.backing.native import start_all
from touchstone_devkit.backing.sources import Announce
from touchstone_devkit.processes.leftovers import new_run

KIND = "controlled"


class ControlledBacking(Backing):
    """Starts when it is made. `broker` and `mongo` are what can be hurt; one or three of each.

    `guarded_database`: it lets nobody in without a user; `mongo_uri` has one that may do everything.
    Raises Unavailable where a program can be neither found nor downloaded, ProcessDidNotStart and TimeoutError.
    """

    def __init__(
        self,
        *,
        broker_nodes: int = 1,
        mongo_members: int = 1,
        guarded_database: bool = False,
        announce: Announce = print,
    ) -> None:
        with new_run() as ledger:
            self.broker = Brokers(ledger, announce, broker_nodes)
            self.mongo = MongoMembers(ledger, announce, mongo_members, guarded=guarded_database)
            servers = start_all(self.broker, self.mongo)
        super().__init__(KIND, servers, ledger)
