"""What assessment needs of the database, and the queue on which reports may come as messages."""

from touchstone_contracts.topology import Index

INTAKE = "assessment.intake"

INDEXES = (
    Index(collection="audits", keys=[("state", 1), ("_id", 1)]),
    # Not one for each state of a body's and a member's audits: what is under way is little, and each costs a write.
    Index(collection="audits", keys=[("body_id", 1), ("_id", 1)]),
    Index(collection="audits", keys=[("member_id", 1), ("_id", 1)]),
)
