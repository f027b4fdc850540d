"""What notification needs of the database."""

from touchstone_contracts.topology import Index

INDEXES = (
    Index(collection="contacts", keys=[("party", 1)]),
    Index(collection="announcements", keys=[("parties", 1), ("position", 1)]),
    Index(collection="announcements", keys=[("nobody_until.party", 1), ("nobody_until.arrival", 1)]),
    Index(collection="announcements", keys=[("nobody_until.arrival", 1), ("position", 1)]),
    # One notice for an event and a person, ever.
    Index(collection="notices", keys=[("about", 1), ("contact_id", 1)], unique=True),
    Index(collection="notices", keys=[("position", 1)], unique=True),
    Index(collection="notices", keys=[("audit_id", 1), ("position", 1)]),
    Index(collection="notices", keys=[("party", 1), ("position", 1)]),
    Index(collection="notices", keys=[("state", 1), ("position", 1)]),
)
