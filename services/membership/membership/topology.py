"""What membership needs of the broker and the database: it consumes nothing."""

from touchstone_contracts.topology import Index, ServiceTopology

TOPOLOGY = ServiceTopology(
    service="membership",
    indexes=[
        Index(collection="entities", keys=[("member_id", 1), ("_id", 1)]),
        Index(collection="facilities", keys=[("member_id", 1), ("_id", 1)]),
        Index(collection="contacts", keys=[("party.kind", 1), ("party.id", 1), ("_id", 1)]),
    ],
)
