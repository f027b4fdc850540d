"""What assessment needs of the broker and the database.

It consumes no event: a report names member and entity, and whether these have arrived in the register is for
certification to wait for. Reports may also come as messages, on the intake queue.
"""

from touchstone_contracts.topology import Index, ServiceTopology

INTAKE = "assessment.intake"

TOPOLOGY = ServiceTopology(
    service="assessment",
    queues=[INTAKE],
    indexes=[
        Index(collection="audits", keys=[("state", 1), ("_id", 1)]),
        # Not one for each state of a body's and a member's audits: what is under way is little, and each costs a write.
        Index(collection="audits", keys=[("body_id", 1), ("_id", 1)]),
        Index(collection="audits", keys=[("member_id", 1), ("_id", 1)]),
    ],
)
