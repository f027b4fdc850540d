"""What certification needs of the database."""

from touchstone_contracts.topology import Index

INDEXES = (
    Index(collection="certificates", keys=[("number", 1)], unique=True),
    Index(collection="certificates", keys=[("audit_id", 1)], unique=True),
    Index(
        collection="certificates",
        keys=[("entity_id", 1), ("standard_code", 1), ("scope_key", 1)],
        unique=True,
        partial={"open": True},
    ),
    Index(collection="certificates", keys=[("entity_id", 1), ("standard_code", 1), ("expires_on", 1)]),
    Index(collection="certificates", keys=[("member_id", 1), ("number", 1)]),
    Index(collection="certificates", keys=[("standard_code", 1), ("open", 1), ("number", 1)]),
    # Lists by status, which are for everybody: they must not read past what expired in all the years before.
    Index(collection="certificates", keys=[("open", 1), ("number", 1)]),
    Index(collection="certificates", keys=[("expires_on", 1)], partial={"open": True}),
    Index(collection="certificates", keys=[("issued_on", 1)]),
    Index(collection="cases", keys=[("state", 1), ("_id", 1)]),
    Index(collection="cases", keys=[("member_id", 1), ("_id", 1)]),
    Index(collection="cases", keys=[("body_id", 1), ("_id", 1)]),
    Index(collection="cases", keys=[("entity_id", 1), ("_id", 1)]),
    # Two cases of an entity that are opened at the same time, neither seeing the other: one is dealt with again.
    Index(collection="cases", keys=[("entity_id", 1)], unique=True, partial={"first_of_entity": True}),
    Index(collection="mandates", keys=[("standards", 1), ("rule_set", 1), ("valid_until", 1)]),
    Index(collection="plan_reviews", keys=[("audit_id", 1)]),
)
