"""What membership needs of the database."""

from touchstone_contracts.topology import Index

INDEXES = (
    Index(collection="entities", keys=[("member_id", 1), ("_id", 1)]),
    Index(collection="facilities", keys=[("member_id", 1), ("_id", 1)]),
    Index(collection="contacts", keys=[("party.kind", 1), ("party.id", 1), ("_id", 1)]),
)
